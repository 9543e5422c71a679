def virtual(self, p: List[Tensor]) -> List[Tensor]:
  own = self.virtual_rows(p, 0, self.hidden)
  return [own / self.embedding_scale if self.embedding_scale != 1.0 else own]

def looked_up(self, ids, g: List[Tensor]):
  v = g[0].size(0)
  if ids.size(1) == 1:
    # decoding
    return torch.embedding(g[0], ids.clamp(max=v - 1)).float()
  x = torch.embedding(g[0], ids.clamp(max=v - 1)).float()
  return torch.where((ids >= v).unsqueeze(-1), torch.embedding(g[9 + 16 * self.layers], (ids - v).clamp(min=0)), x)
