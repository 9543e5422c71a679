# What the machine can do: products and reads, many at a time so that the calls around them do not count.

def gemm(self, x, w, out, times: int) -> int:
  for i in range(times):
    torch.mm(x, w, out=out)
  return times

def pack_fp32(self, w) -> Tensor:
  return ops.mkldnn._reorder_linear_weight(w, None)

def packed_fp32(self, x, w, times: int) -> Tensor:
  y = x
  for i in range(times):
    y = ops.mkldnn._linear_pointwise(x, w, None, 'none', [], '')
  return y

def pack_bf16(self, w) -> Tensor:
  return ops.mkldnn._reorder_linear_weight(w.to(15), None)

def packed_bf16(self, x, w, times: int) -> Tensor:
  x = x.to(15)
  y = x
  for i in range(times):
    y = ops.mkldnn._linear_pointwise(x, w, None, 'none', [], '')
  return y

def pack_fp16(self, w) -> __torch__.torch.classes.quantized.LinearPackedParamsBase:
  return ops.quantized.linear_prepack_fp16(w, None)

def packed_fp16(self, x, w: __torch__.torch.classes.quantized.LinearPackedParamsBase, times: int) -> Tensor:
  y = x
  for i in range(times):
    y = ops.quantized.linear_dynamic_fp16(x, w)
  return y

def pack_int8(self, w) -> Tensor:
  return ops.onednn.qlinear_prepack(torch.round(torch.div(w, torch.div(torch.amax(torch.abs(w)), 63.0))).to(1), None)

def packed_int8(self, x, w, times: int) -> Tensor:
  q = torch.full([x.size(0), x.size(1)], 200, dtype=0)
  s = torch.ones([w.size(1)])
  z = torch.zeros([1], dtype=4)
  y = x
  for i in range(times):
    y = ops.onednn.qlinear_pointwise(q, 1.0, 128, w, s, z, None, 1.0, 0, 6, 'none', [], '')
  return y

def read(self, x, times: int) -> Tensor:
  s = torch.zeros([1])
  for i in range(times):
    s = s + torch.sum(x)
  return s
