def project(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  y = self.product(x, w, b, residual, p, l, g, seed)
  if not self.changes_group(p, l, g):
    return y
  out: List[Tensor] = []
  h = self.exact(x)
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.widths[k] > 0:
      place = 7 * l + k
      at = self.module_piece + 2 * place
      if p[at].numel() > 0:
        r = int(self.setting[place])
        out.append(torch.linear(torch.linear(h, self.random_a(p, r, h.size(1))) * p[at + 1], self.random_b(p, place, r)) * p[at])
      else:
        out.append(torch.zeros([h.size(0), self.widths[k]], device=h.device))
  return y + (out[0] if len(out) == 1 else torch.cat(out, 1))
