def factor(self, a, b, rows: int):
  # a factor of the Kronecker product, [rows, columns], or the product of two of a rank
  if b.numel() == 0:
    return a.view(rows, -1)
  return torch.mm(a.view(rows, -1), b.view(a.numel() // rows, -1))

def change(self, w, p: List[Tensor], at: int, place: int):
  # LoKr: W + scale w1 ⊗ w2 (Yeh et al., arXiv:2212.10650), rows in the checkpoint's order before they are brought into the kernels'
  rows = self.module_rows[place]
  added = torch.kron(self.factor(p[at], p[at + 1], rows), self.factor(p[at + 2], p[at + 3], w.size(0) // rows))
  k = place % 7
  if k < 3 and len(self.row_order) > 0:
    first = sum(self.widths[:k])
    added = added.index_select(0, torch.tensor(self.row_order[first:first + w.size(0)], device=w.device))
  return torch.add(w, added, alpha=self.setting[place])
