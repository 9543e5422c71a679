# The rows of virtual tokens go through the layers like others, and nothing is taken of them: their keys and values are the prefix's.

def in_one(self) -> bool:
  return False

def looked_up(self, ids, w: List[Tensor], p: List[Tensor]):
  return self.exact(torch.embedding(w[0], ids.clamp(max=w[0].size(0) - 1)))

def begun(self, k, v, p: List[Tensor], l: int) -> List[Tensor]:
  n = self.virtual_tokens
  both = self.virtual_rows(p, 2 * l * self.kv * self.hd, 2 * self.kv * self.hd).view(n, 2, self.kv, self.hd)
  of_k, of_v = both[:, 0], both[:, 1]
  if len(self.head_order) > 0:
    of_k = of_k.index_select(2, torch.tensor(self.head_order, device=of_k.device))
  shape = [k.size(0), n, self.kv, self.hd]
  return [torch.cat([of_k.expand(shape).type_as(k), k[:, n:]], 1), torch.cat([of_v.expand(shape).type_as(v), v[:, n:]], 1)]
