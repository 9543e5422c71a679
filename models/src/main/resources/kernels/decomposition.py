# What LoRA's starts take out of a weight w [out, in]: A [rank, in] and B [out, rank].

def principal(self, w, rank: int, scale: float) -> List[Tensor]:
  # PiSSA: B A * scale are the `rank` largest singular values and their vectors (Meng et al., arXiv:2404.02948, 3)
  # In double: of values near each other the vectors are not well determined
  u, s, v = torch.linalg_svd(w.double(), full_matrices=False)
  root = torch.sqrt(s[:rank] / scale)
  return [(root.unsqueeze(1) * v[:rank]).float(), (u[:, :rank] * root).float()]

def nearly_principal(self, w, start, rank: int, scale: float, iterations: int) -> List[Tensor]:
  # the same by iterations of a subspace from start [in, rank] on (Halko et al., arXiv:0909.4061, algorithm 4.4)
  q = torch.linalg_qr(torch.mm(w, start))[0]
  for i in range(iterations):
    q = torch.linalg_qr(torch.mm(w.t(), q))[0]
    q = torch.linalg_qr(torch.mm(w, q))[0]
  parts = self.principal(torch.mm(q.t(), w), rank, scale)
  return [parts[0], torch.mm(q, parts[1])]

def triangular(self, w, rank: int) -> List[Tensor]:
  # OLoRA: the first columns of Q and rows of R (Büyükakyüz, arXiv:2406.01775, 3)
  q, r = torch.linalg_qr(w)
  return [r[:rank], q[:, :rank]]

def halves(self, x, rank: int) -> List[Tensor]:
  # the even and the odd rows of an orthogonal matrix, [rank / 2, rank] each
  q = torch.linalg_qr(x)[0]
  return [q[0::2], q[1::2]]
