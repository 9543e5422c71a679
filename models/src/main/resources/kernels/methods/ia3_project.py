# Activations are scaled, not the weight, but where inputs of one layer of several are.

def scales_inputs(self, p: List[Tensor], l: int, g: int) -> bool:
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.setting[7 * l + k] > 0 and p[self.module_piece + 7 * l + k].numel() > 0:
      return True
  return False

def project(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  if not self.changes_group(p, l, g):
    return self.product(x, w, b, residual, p, l, g, seed)
  if self.scales_inputs(p, l, g):
    if self.group_size[g] == 1:
      return self.product(self.rounded(self.exact(x) * p[self.module_piece + 7 * l + self.group_linear[g]]), w, b, residual, p, l, g, seed)
    return self.by_weight(x, w, self.changed_bias(b, p, l, g) if b.numel() > 0 else b, residual, p, l, g)
  y = self.product(x, w, b, None, p, l, g, seed) * self.of_outputs(p, l, g, x)
  return y if residual is None else residual + y
