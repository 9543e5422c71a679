def turn(self, r, block: int):
  # [blocks, block, block]: Cayley of the skew parts of free matrices
  r = r.view(-1, block, block)
  s = (r - r.transpose(1, 2)) * 0.5
  one = torch.eye(block, device=r.device).type_as(r)
  return torch.linalg_solve(one + s, one - s, left=False)

def change(self, w, p: List[Tensor], at: int, place: int):
  # BOFT of one factor: s (W Rᵀ), block by block (Liu et al., arXiv:2311.06243)
  block = int(self.setting[place])
  r = self.turn(p[at], block)
  return torch.einsum('obj,bij->obi', [w.view(w.size(0), -1, block), r]).reshape(w.shape) * p[at + 1].unsqueeze(1)
