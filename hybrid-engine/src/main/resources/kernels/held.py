# Generation from a base as it is held in blocks (kernels/storage/blocks.py), behind generate.py: its matrices are not copied, and LoRA stands beside them in bfloat16. The
# head, which is not held so, is packed in eight bits. A weight: bytes, how they lie, the order of rows, and LoRA's A and B, with so many ranks.

def held_linear(self, x, w: $WEIGHT, fine: bool):
  y = ops.troupe.held_product(x, w[0], w[1], w[2], fine)
  if w[5] > 0:
    # B has the scale
    y.add_(ops.troupe.numbers_linear(ops.troupe.numbers_linear(x, w[3], w[5]), w[4], y.size(1)))
  return y

def linear(self, x, w: $WEIGHT):
  return self.held_linear(x, w, False)

def fine_linear(self, x, w: $WEIGHT):
  return self.held_linear(x, w, True)

def pack(self, w) -> $WEIGHT:
  # whole numbers of eight bits, in blocks of 64, or of a row where that is no multiple
  block = 64 if w.size(1) % 64 == 0 else w.size(1)
  v = w.reshape(-1, block)
  s = torch.amax(torch.abs(v), [1], True).clamp_(min=1e-12).mul_(0.007874015748031496)
  q = torch.div(v, s).round_().to(1)
  none = torch.zeros([0], dtype=4, device=w.device)
  return (torch.cat([torch.view_copy(q.view(-1), dtype=0), torch.view_copy(s.view(-1), dtype=0)]), [0, block, 0, w.size(1), w.size(0)], none, none, none, 0)

def packed(self, w: List[Tensor], p: List[Tensor], i: int) -> $WEIGHT:
  l, g = i // 4, i % 4
  if i == 4 * self.layers:
    return self.pack(self.merged(w, p, i))
  held = w[9 + 16 * l + self.weight_at[g]]
  order = torch.tensor(self.held_rows(g), dtype=4, device=held.device)
  if not self.changes_group(p, l, g):
    return (held, self.held_as(g), order, order, order, 0)
  a = p[11 * l + self.group_piece[g]].view(-1, self.held_as(g)[3])
  b = torch.block_diag(self.outs_of(p, l, g)).t() * self.scale
  return (held, self.held_as(g), order, ops.troupe.pack_numbers(a, True), ops.troupe.pack_numbers(b, True), a.size(0))
