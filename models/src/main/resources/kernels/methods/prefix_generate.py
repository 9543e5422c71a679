# Keys and values of virtual tokens in the cache are the prefix's.

def virtual(self, p: List[Tensor]) -> List[Tensor]:
  # [layers, 2, kv heads, virtual tokens, head_dim]
  n = self.virtual_tokens
  all = self.virtual_rows(p, 0, 2 * self.layers * self.kv * self.hd).view(n, self.layers, 2, self.kv, self.hd).permute([1, 2, 3, 0, 4])
  k, v = all[:, 0], all[:, 1]
  if len(self.head_order) > 0:
    k = k.index_select(3, torch.tensor(self.head_order, device=k.device))
  return [torch.stack([k, v], 1)]

def looked_up(self, ids, g: List[Tensor]):
  return torch.embedding(g[0], ids.clamp(max=g[0].size(0) - 1)).float()

def begins_apart(self) -> bool:
  return True

def begun(self, both, l: int, g: List[Tensor]) -> int:
  torch.narrow(both, 3, 0, self.virtual_tokens).copy_(g[9 + 16 * self.layers][l].unsqueeze(1))
  return 1
