def looked_up(self, ids, w: List[Tensor], p: List[Tensor]):
  # [N, d]; prompts are not multiplied where embeddings are
  v = w[0].size(0)
  x = self.exact(torch.embedding(w[0], ids.clamp(max=v - 1)))
  own = torch.embedding(self.virtual_rows(p, 0, self.hidden), (ids - v).clamp(min=0))
  if self.embedding_scale != 1.0:
    own = own / self.embedding_scale
  return torch.where((ids >= v).unsqueeze(-1), own, x)
