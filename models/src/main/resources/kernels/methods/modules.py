# Of methods whose parameters each belong to one linear layer, in both kernels. p has, from module_piece on, per_module pieces for each of seven places of each
# layer, empty where that is not adapted; setting is a number of each.

def changes_group(self, p: List[Tensor], l: int, g: int) -> bool:
  return self.module_groups[4 * l + g] > 0

def changed(self, w, p: List[Tensor], l: int, g: int):
  # a group's weight [out, in], in float32, as the method makes it
  if not self.changes_group(p, l, g):
    return w
  out: List[Tensor] = []
  r = 0
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    n = self.widths[k]
    if n > 0:
      at = self.module_piece + self.per_module * (7 * l + k)
      out.append(self.change(w[r:r + n], p, at, 7 * l + k) if p[at].numel() > 0 else w[r:r + n])
      r += n
  return out[0] if len(out) == 1 else torch.cat(out)
