# Products with them in training: numbers are made again in the backward pass.

def adapts(self, l: int, g: int, seed: int) -> bool:
  return False

def rows_linear(self, x, w, g: int, first: int, count: int):
  # x times some rows of a group's weight, in the numbers of products
  x = self.rounded(x)
  if $HELD:
    return ops.troupe.held_linear(x, w, self.held_as(g), self.held_rows(g), first, count)
  return torch.linear(x, torch.narrow(self.dense(w, g), 0, first, count).type_as(x))

def product(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  y = self.rows_linear(x, w, g, 0, sum(self.held_as(g)[4:]))
  if self.dora:
    y = self.stretched(x, y, w, p, l, g, seed)
  elif self.lora:
    y = self.low_rank(x, y, p, l, g, seed)
  if residual is not None:
    y = residual + y
  return y + b if b.numel() > 0 else y
