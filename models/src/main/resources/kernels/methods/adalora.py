def change(self, w, p: List[Tensor], at: int, place: int):
  # AdaLoRA: W + scale B diag(E) A (Zhang et al., arXiv:2303.10512); A [rank, in], B [out, rank], E [rank]
  r = p[at + 2].numel()
  return torch.addmm(w, p[at + 1].view(-1, r), p[at].view(r, -1) * p[at + 2].unsqueeze(1), beta=1, alpha=self.setting[place])
