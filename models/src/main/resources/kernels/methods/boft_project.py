# The inputs are turned and the outputs scaled, not the weight: a weight's gradient is not needed.

def project(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  if not self.changes_group(p, l, g):
    return self.product(x, w, b, residual, p, l, g, seed)
  out: List[Tensor] = []
  r = 0
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    n = self.widths[k]
    if n > 0:
      at = self.module_piece + 2 * (7 * l + k)
      if p[at].numel() > 0:
        block = int(self.setting[7 * l + k])
        h = torch.bmm(self.exact(x).view(x.size(0), -1, block).transpose(0, 1), self.turn(p[at], block)).transpose(0, 1).reshape(x.shape)
        out.append(self.rows_linear(h, w, g, r, n) * p[at + 1])
      else:
        out.append(self.rows_linear(x, w, g, r, n))
      r += n
  y = out[0] if len(out) == 1 else torch.cat(out, 1)
  if b.numel() > 0:
    y = y + b
  return y if residual is None else residual + y
