# The Llama decoder on the training path: LoRA beside the frozen weights, a graph from the flat parameter buffer to the hidden states.
#
# w = [embed, norm, head, rope] + 6 per layer [attn_norm, qkv, o, mlp_norm, gate_up, down]; rope [positions, 1, head_dim / 2, 2] is
#     (cos, sin) and q, k rows are interleaved so that a rotary pair is adjacent and RoPE is one complex product.
# p = the flat buffer, split by self.sizes. LoRA: 11 pieces per layer [A_qkv, B_q, B_k, B_v, A_o, B_o, A_gate_up, B_gate, B_up, A_down, B_down],
#     A [ranks, in], B [rank, out]; a layer that is not adapted has rank 0. Full: the weights of w but rope, in order. Last the value head, if any.
# Letters: B rows, T tokens a row, N = B * T, d width, M read positions.

def pieces(self, flat):
  return torch.split_with_sizes(flat, self.sizes)

def weights(self, w: List[Tensor], p: List[Tensor]) -> List[Tensor]:
  # the weights to use: the frozen ones, or views of the buffer where everything is trained
  if not self.full:
    return w
  out: List[Tensor] = []
  i = 0
  for k in range(len(w)):
    if k == 3:
      out.append(w[3])
    elif k == 2 and self.tied:
      out.append(out[0])
    else:
      out.append(p[i].view(w[k].shape))
      i += 1
  return out

def rms(self, x, g):
  n = torch.linalg_vector_norm(x, 2, [-1], True)
  return (x * torch.rsqrt(n * n / x.size(-1) + self.eps)) * g

def low_rank(self, x, y, a, b: List[Tensor]):
  # y + scale * (x Aᵀ) B, for one A over several outputs; y [N, out]
  r = a.size(0) // x.size(1)
  if a.numel() == 0:
    return y
  h = torch.linear(x, a.view(-1, x.size(1)))
  # in place: y is fresh from a product, whose gradient does not need it
  return y.addmm_(h, torch.block_diag(b), beta=1, alpha=self.scale)

def shaped(self, b, out: int):
  return b.view(b.numel() // out, out)

def attend(self, x, w: List[Tensor], p: List[Tensor], l: int, rope, rows: int):
  # [N, heads * head_dim], before the output projection
  hq, hk, hd = self.heads, self.kv, self.hd
  n = x.size(0)
  t = n // rows
  o = 4 + 6 * l
  q0 = 11 * l
  h = self.rms(x, w[o])
  qkv = torch.linear(h, w[o + 1])
  if self.lora:
    qkv = self.low_rank(h, qkv, p[q0], [self.shaped(p[q0 + 1], hq * hd), self.shaped(p[q0 + 2], hk * hd), self.shaped(p[q0 + 3], hk * hd)])
  qk, v = qkv.split_with_sizes([(hq + hk) * hd, hk * hd], -1)
  qk = torch.view_as_real(torch.view_as_complex(qk.reshape(rows, t, hq + hk, hd // 2, 2)) * rope).flatten(3)
  q, k = qk.split_with_sizes([hq, hk], 2)
  g = hq // hk
  k = k.unsqueeze(3).expand(rows, t, hk, g, hd).reshape(rows, t, hq, hd)
  v = v.reshape(rows, t, hk, 1, hd).expand(rows, t, hk, g, hd).reshape(rows, t, hq, hd)
  a = torch.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), None, 0., True)
  return a.transpose(1, 2).reshape(n, hq * hd)

def finish(self, x, a, w: List[Tensor], p: List[Tensor], l: int):
  # what a layer does after attention, each position by itself: output projection and MLP
  d, f = self.hidden, self.ffn
  o = 4 + 6 * l
  q0 = 11 * l
  x = torch.addmm(x, a, w[o + 2].t())
  if self.lora:
    x = self.low_rank(a, x, p[q0 + 4], [self.shaped(p[q0 + 5], d)])
  h = self.rms(x, w[o + 3])
  gu = torch.linear(h, w[o + 4])
  if self.lora:
    gu = self.low_rank(h, gu, p[q0 + 6], [self.shaped(p[q0 + 7], f), self.shaped(p[q0 + 8], f)])
  gate, up = gu.chunk(2, -1)
  a = torch.silu(gate) * up
  x = torch.addmm(x, a, w[o + 5].t())
  if self.lora:
    x = self.low_rank(a, x, p[q0 + 9], [self.shaped(p[q0 + 10], d)])
  return x

def hidden_states(self, ids, w: List[Tensor], p: List[Tensor], reads) -> Tensor:
  # ids [B, T] right padded: causal attention never looks at the pads behind; reads [M] into B * T; result [M, d], normalised
  rows, t = ids.size(0), ids.size(1)
  rope = torch.view_as_complex(w[3][:t])
  x = torch.embedding(w[0], ids.view(-1))
  for l in range(self.layers):
    a = self.attend(x, w, p, l, rope, rows)
    if l == self.layers - 1:
      # nothing after the last attention looks at the positions that are not read
      x, a = x.index_select(0, reads), a.index_select(0, reads)
    x = self.finish(x, a, w, p, l)
  return self.rms(x, w[1])

def read(self, s, head, targets, temperature: float, logprobs: bool, entropies: bool) -> List[Tensor]:
  # log p(target) and entropy at temperature, chunk by chunk: no [M, vocabulary] tensor
  lp: List[Tensor] = [torch.zeros([0])]
  en: List[Tensor] = [torch.zeros([0])]
  if logprobs or entropies:
    for i in range(0, s.size(0), 512):
      z = torch.linear(s[i:i + 512], head).div_(temperature)
      lse = torch.logsumexp(z, [-1], True)
      if logprobs:
        lp.append((z.gather(1, targets[i:i + 512].unsqueeze(1)) - lse).squeeze(1))
      if entropies:
        p = (z - lse).exp_()
        en.append(lse.squeeze(1) - p.mul_(z).sum([-1]))
  return [torch.cat(lp), torch.cat(en)]

def forward(self, ids, reads, targets, w: List[Tensor], flat, temperature: float, logprobs: bool, entropies: bool, values: bool) -> List[Tensor]:
  # [hidden states with their graph, logprobs, entropies, values]
  p = self.pieces(flat)
  ws = self.weights(w, p)
  s = self.hidden_states(ids, ws, p, reads)
  d = s.detach()
  out = self.read(d, ws[2].detach(), targets, temperature, logprobs, entropies)
  v = torch.mv(d, p[len(p) - 1].detach()) if values else torch.zeros([0])
  return [s, out[0], out[1], v]

def evaluate(self, ids, reads, targets, w: List[Tensor], flat, temperature: float, logprobs: bool, entropies: bool, values: bool) -> List[Tensor]:
  torch.set_grad_enabled(False)
  return self.forward(ids, reads, targets, w, flat, temperature, logprobs, entropies, values)[1:]

def backward(self, s, targets, w: List[Tensor], flat, temperature: float, gl, ge, gv) -> Tensor:
  # gl, ge, gv: dL/d(logprob, entropy, value), [M] or empty. Returns dL/d(flat), a new tensor.
  torch.set_grad_enabled(False)
  p = self.pieces(flat)
  ws = self.weights(w, p)
  head = ws[2]
  d = s.detach()
  seed = torch.zeros_like(d)
  ghead = torch.zeros_like(head) if self.full else torch.zeros([0])
  if gl.numel() > 0 or ge.numel() > 0:
    for i in range(0, d.size(0), 512):
      x = d[i:i + 512]
      z = torch.linear(x, head).div_(temperature)
      lq = z.sub_(torch.logsumexp(z, [-1], True))
      q = torch.exp(lq)
      # dL/dz = (g (onehot - q) - e q (log q + H)) / temperature, with as few [512, vocabulary] tensors as can be
      if ge.numel() > 0:
        e = ge[i:i + 512].unsqueeze(1) / temperature
        entropy = -(q * lq).sum([-1], True)
        k = lq.add_(entropy).mul_(e)
        if gl.numel() > 0:
          k.add_(gl[i:i + 512].unsqueeze(1) / temperature)
        dz = q.mul_(k).neg_()
      else:
        dz = q.mul_(gl[i:i + 512].unsqueeze(1) / (-temperature))
      if gl.numel() > 0:
        dz.scatter_add_(1, targets[i:i + 512].unsqueeze(1), gl[i:i + 512].unsqueeze(1) / temperature)
      seed[i:i + 512] = dz @ head
      if self.full:
        ghead = ghead + dz.t() @ x
  gvalue = torch.zeros([0])
  if gv.numel() > 0:
    v = p[len(p) - 1]
    seed = seed + torch.outer(gv, v)
    gvalue = torch.mv(d.t(), gv)
  out = torch.zeros([0])
  if s.requires_grad:
    seeds: List[Optional[Tensor]] = [seed]
    torch.set_grad_enabled(True)
    got = torch.grad([s], [flat], seeds)[0]
    torch.set_grad_enabled(False)
    assert got is not None
    out = got
  else:
    # only the value head is trained: the hidden states do not depend on the buffer
    out = torch.zeros_like(flat)
  if gv.numel() > 0:
    out[out.size(0) - gvalue.size(0):] += gvalue
  if self.full:
    out[self.head_at:self.head_at + ghead.numel()] += ghead.view(-1)
  return out

def logits(self, ids, reads, w: List[Tensor], flat) -> Tensor:
  # [M, vocabulary], for tests and tools
  p = self.pieces(flat)
  ws = self.weights(w, p)
  return torch.linear(self.hidden_states(ids, ws, p, reads), ws[2])

def states(self, ids, w: List[Tensor], flat) -> List[Tensor]:
  # the residual stream after each layer, [B * T, d] each: what the flip's probe compares when something is wrong
  p = self.pieces(flat)
  ws = self.weights(w, p)
  rows, t = ids.size(0), ids.size(1)
  rope = torch.view_as_complex(ws[3][:t])
  x = torch.embedding(ws[0], ids.view(-1))
  out: List[Tensor] = []
  for l in range(self.layers):
    x = self.finish(x, self.attend(x, ws, p, l, rope, rows), ws, p, l)
    out.append(x)
  return out

def adamw(self, pl: List[Tensor], gl: List[Tensor], ml: List[Tensor], vl: List[Tensor], sl: List[Tensor], norm: float, clip: float, lr: float, beta1: float, beta2: float, eps: float, decay: float) -> int:
  # The lists are arguments: an update through a list made here is removed as dead code.
  g = gl[0]
  if clip > 0.0 and norm > clip:
    g.mul_(clip / (norm + 1e-6))
  sl[0].add_(1)
  torch._fused_adamw_(pl, gl, ml, vl, [], sl, lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False)
  return 1

def norm(self, g) -> float:
  return float(torch.linalg_vector_norm(g))

def add(self, a, b) -> int:
  a.add_(b)
  return 1

def ema(self, average, now, decay: float) -> int:
  average.lerp_(now, 1.0 - decay)
  return 1

def leaf(self, x) -> Tensor:
  # an ordinary tensor (not an inference one) that autograd may differentiate by
  return x.detach().clone().requires_grad_(True)

def plain(self, x) -> Tensor:
  return x.detach().clone()

def zeros(self, x) -> Tensor:
  return torch.zeros_like(x.detach())
