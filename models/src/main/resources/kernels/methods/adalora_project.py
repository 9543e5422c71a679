def project(self, x, w, b, residual: Optional[Tensor], p: List[Tensor], l: int, g: int, seed: int):
  y = self.product(x, w, b, residual, p, l, g, seed)
  if not self.changes_group(p, l, g):
    return y
  out: List[Tensor] = []
  h = self.exact(x)
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.widths[k] > 0:
      place = 7 * l + k
      at = self.module_piece + 3 * place
      r = p[at + 2].numel()
      if r > 0:
        n = torch.linear(h, p[at].view(r, -1) * p[at + 2].unsqueeze(1))
        out.append(torch.linear(n, p[at + 1].view(-1, r)) * self.setting[place])
      else:
        out.append(torch.zeros([h.size(0), self.widths[k]], device=h.device))
  return y + (out[0] if len(out) == 1 else torch.cat(out, 1))

# ---- the budget of ranks

def starts(self) -> List[int]:
  # where each piece begins in the buffer
  out: List[int] = []
  at = 0
  for size in self.sizes:
    out.append(at)
    at += size
  return out

def orthogonal(self, flat, g, weight: float) -> int:
  # adds to g the gradient of weight times the mean, over all A and B, of |A Aᵀ - 1| and |Bᵀ B - 1| in Frobenius' norm (equation 4)
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  starts = self.starts()
  count = 0
  for place in range(len(self.setting)):
    if p[self.module_piece + 3 * place].numel() > 0:
      count += 2
  for place in range(len(self.setting)):
    at = self.module_piece + 3 * place
    r = p[at + 2].numel()
    if r > 0:
      one = torch.eye(r, device=flat.device)
      a, b = p[at].view(r, -1), p[at + 1].view(-1, r)
      of_a, of_b = torch.mm(a, a.t()) - one, torch.mm(b.t(), b) - one
      na, nb = torch.linalg_vector_norm(of_a).clamp(min=1e-30), torch.linalg_vector_norm(of_b).clamp(min=1e-30)
      torch.narrow(g, 0, starts[at], a.numel()).add_((torch.mm(of_a, a) * (2 * weight / count) / na).view(-1))
      torch.narrow(g, 0, starts[at + 1], b.numel()).add_((torch.mm(b, of_b) * (2 * weight / count) / nb).view(-1))
  return 1

def weigh(self, flat, g, importance, uncertainty, beta1: float, beta2: float) -> int:
  # moving means of each number's importance |p g| and of how it varies (equations 7 to 10)
  torch.set_grad_enabled(False)
  now = (flat * g).abs()
  importance.mul_(beta1).add_(now * (1 - beta1))
  uncertainty.mul_(beta2).add_((now - importance).abs() * (1 - beta2))
  return 1

def share_out(self, flat, importance, uncertainty, budget: int) -> int:
  # the triplets beyond the budget lose their E: those of the least score, E's and the means of A's row and B's column (equation 11)
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  scores = self.pieces(importance * uncertainty)
  starts = self.starts()
  all: List[Tensor] = [torch.zeros([0], device=flat.device)]
  for place in range(len(self.setting)):
    at = self.module_piece + 3 * place
    r = p[at + 2].numel()
    if r > 0:
      all.append(scores[at + 2] + (scores[at].view(r, -1).mean(1) + scores[at + 1].view(-1, r).mean(0)))
  joined = torch.cat(all)
  if budget < joined.numel():
    gone = joined <= torch.kthvalue(joined, joined.numel() - budget)[0]
    i = 0
    for place in range(len(self.setting)):
      at = self.module_piece + 3 * place
      r = p[at + 2].numel()
      if r > 0:
        torch.narrow(flat, 0, starts[at + 2], r).masked_fill_(torch.narrow(gone, 0, i, r), 0.0)
        i += r
  return 1

def left(self, flat) -> Tensor:
  # 0 in the place of each E that is 0, elsewhere 1
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  out: List[Tensor] = []
  for i in range(len(p)):
    of_e = i >= self.module_piece and i < self.module_piece + 3 * len(self.setting) and (i - self.module_piece) % 3 == 2
    out.append((p[i] != 0).float() if of_e else torch.ones_like(p[i]))
  return torch.cat(out)

def keep(self, flat, mask) -> int:
  # what is gone stays gone
  torch.set_grad_enabled(False)
  flat.mul_(mask)
  return 1
