def change(self, w, p: List[Tensor], at: int, place: int):
  # IA3: rows or, of feed-forward layers, columns times factors (Liu et al., arXiv:2205.05638)
  return w * (p[at] if self.setting[place] > 0 else p[at].unsqueeze(1))

def changed_bias(self, b, p: List[Tensor], l: int, g: int):
  # a group's bias [out]: as its rows
  if not self.changes_group(p, l, g):
    return b
  return b * self.of_outputs(p, l, g, b)

def of_outputs(self, p: List[Tensor], l: int, g: int, like):
  # the factors of a group's outputs, [out]
  out: List[Tensor] = []
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.widths[k] > 0:
      f = p[self.module_piece + 7 * l + k]
      out.append(f if f.numel() > 0 and self.setting[7 * l + k] == 0 else torch.ones([self.widths[k]], device=like.device).type_as(f))
  return out[0] if len(out) == 1 else torch.cat(out)
