def change(self, w, p: List[Tensor], at: int, place: int):
  # LoHa: W + scale (A1 B1) (A2 B2), number by number (Hyeon-Woo et al., arXiv:2108.06098); A [out, rank], B [rank, in]
  r = p[at].numel() // w.size(0)
  one = torch.mm(p[at].view(-1, r), p[at + 1].view(r, -1))
  return torch.addcmul(w, one, torch.mm(p[at + 2].view(-1, r), p[at + 3].view(r, -1)), value=self.setting[place])
