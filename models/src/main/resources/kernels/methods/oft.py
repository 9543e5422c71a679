def turn(self, q, block: int):
  # [blocks, block, block], of the upper triangles of skew matrices, row by row
  n = block * (block - 1) // 2
  above = torch.triu_indices(block, block, 1, device=q.device)
  s = torch.zeros([q.numel() // n, block * block], device=q.device).type_as(q).index_copy(1, above[0] * block + above[1], q.view(-1, n)).view(-1, block, block)
  s = s - s.transpose(1, 2)
  one = torch.eye(block, device=q.device).type_as(q)
  if self.terms == 0:
    return torch.linalg_solve(one + s, one - s, left=False)
  r = torch.add(one, s, alpha=2)
  power = s
  last = 3 if self.terms == 3 else self.terms - 1
  for i in range(2, last + 1):
    power = torch.bmm(power, s)
    r = torch.add(r, power, alpha=1 if i == last else 2)
  return r

def change(self, w, p: List[Tensor], at: int, place: int):
  # OFT: W Rᵀ, block by block (Qiu et al., arXiv:2306.07280)
  block = int(self.setting[place])
  r = self.turn(p[at], block)
  return torch.einsum('obj,bij->obi', [w.view(w.size(0), -1, block), r]).reshape(w.shape)
