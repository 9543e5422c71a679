# What LoRA trains beside the pairs of the decoder's layers, in both kernels. p has, from beside_piece on: rows of the embedding; A [rank, vocabulary] and
# B [d, rank] of the embedding; A [rank, d] and B [vocabulary, rank] of the output matrix; then, where B have biases, seven of each layer.

def beside(self, w: List[Tensor], p: List[Tensor]) -> List[Tensor]:
  # w with what is made of it in its place
  out = [t for t in w]
  at = self.beside_piece
  v = w[0].size(0)
  if len(self.beside_tokens) > 0:
    rows = torch.tensor(self.beside_tokens, device=w[0].device)
    out[0] = torch.index_copy(w[0].float(), 0, rows, p[at].view(-1, self.hidden))
    if self.tied:
      out[2] = out[0]
  if p[at + 1].numel() > 0:
    out[0] = torch.addmm(w[0].float(), p[at + 1].view(-1, v).t(), p[at + 2].view(self.hidden, -1).t(), beta=1, alpha=self.embedding_pair_scale)
  if p[at + 3].numel() > 0:
    out[2] = torch.addmm(w[2].float(), p[at + 4].view(v, -1), p[at + 3].view(-1, self.hidden), beta=1, alpha=self.head_pair_scale)
  if self.biases_of_b:
    for l in range(self.layers):
      for g in range(4):
        k = 9 + 16 * l + [7, 10, 13, 14][g]
        if w[k].numel() > 0:
          out[k] = w[k] + self.of_biases(p, l, g, w[k])
  return out

def of_biases(self, p: List[Tensor], l: int, g: int, like):
  # what is added to a group's biases, [out]
  out: List[Tensor] = []
  for j in range(self.group_size[g]):
    k = self.group_linear[g] + j
    if self.widths[k] > 0:
      b = p[self.beside_piece + 5 + 7 * l + k]
      out.append(b * self.scales[7 * l + k] if b.numel() > 0 else torch.zeros([self.widths[k]], device=like.device))
  return out[0] if len(out) == 1 else torch.cat(out)

def of_ghead(self, g, p: List[Tensor]) -> List[Tensor]:
  # of the gradient of the output matrix, [vocabulary, d], what is of each piece that makes it; the others are empty
  out = [torch.zeros([0], device=g.device) for t in p]
  at = self.beside_piece
  if self.tied and len(self.beside_tokens) > 0:
    out[at] = g.index_select(0, torch.tensor(self.beside_tokens, device=g.device)).reshape(-1)
  if p[at + 3].numel() > 0:
    a, b = p[at + 3].view(-1, self.hidden), p[at + 4].view(g.size(0), -1)
    out[at + 3] = (torch.mm(b.t(), g) * self.head_pair_scale).view(-1)
    out[at + 4] = (torch.mm(g, a.t()) * self.head_pair_scale).view(-1)
  return out
