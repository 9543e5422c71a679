def random_a(self, p: List[Tensor], r: int, inputs: int):
  # the layer's columns of what all layers share, [rank, in]; it is not trained
  return p[self.shared_piece].detach().view(r, -1)[:, :inputs]

def random_b(self, p: List[Tensor], place: int, r: int):
  # its rows, [out, rank], in the kernels' order
  k = place % 7
  n = self.widths[k]
  b = p[self.shared_piece + 1].detach().view(-1, r)[:n]
  if k < 3 and len(self.row_order) > 0:
    first = sum(self.widths[:k])
    b = b.index_select(0, torch.tensor(self.row_order[first:first + n], device=b.device))
  return b

def change(self, w, p: List[Tensor], at: int, place: int):
  # VeRA: W + diag(b) B diag(d) A (Kopiczko et al., arXiv:2310.11454)
  r = int(self.setting[place])
  return torch.addmm(w, self.random_b(p, place, r) * p[at].unsqueeze(1), self.random_a(p, r, w.size(1)) * p[at + 1].unsqueeze(1))
