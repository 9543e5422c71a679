# Of methods whose layers are products with another weight, made anew in each pass.

def by_weight(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int):
  # [residual +] x Wᵀ + b, W being changed
  m = self.changed(self.dense(w, g), p, l, g)
  if residual is not None and not self.bf16:
    y = torch.addmm(residual, x, m.t())
  else:
    y = self.linear(x, m)
    if residual is not None:
      y = residual + y
  return y + b if b.numel() > 0 else y

def project(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  if not self.changes_group(p, l, g):
    return self.product(x, w, b, residual, p, l, g, seed)
  return self.by_weight(x, w, b, residual, p, l, g)
