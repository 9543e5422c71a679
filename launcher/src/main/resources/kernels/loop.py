
# ---- behind generate.py: the loop over tokens in one call, to compare with the loop in Java

def answers(self, ids, uniform, temperature: float, g: List[Tensor], pw: List[$WEIGHT]) -> Tensor:
  # ids [B, P], prompts of one length; uniform [B, N]; the tokens [B, N], no row ends early
  b, p, n = ids.size(0), ids.size(1), uniform.size(1)
  kv = self.cache(b, p + n, ids)
  rows = [i for i in range(b)]
  start = torch.zeros([b], dtype=4, device=ids.device)
  z = self.prefill(ids, start + p, rows, rows, p, 2048, g, pw, kv)
  token = self.pick(z, uniform[:, 0], temperature, 0, 1.0)[0]
  out = [token]
  for i in range(1, n):
    token = self.step(token, start, p + i - 1, 0, None, None, uniform[:, i], temperature, 0, 1.0, g, pw, kv)[0]
    out.append(token)
  return torch.stack(out, 1)
