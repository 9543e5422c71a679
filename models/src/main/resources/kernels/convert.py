# Between float32 and the storage formats of frozen matrices.

def bf16(self, x) -> Tensor:
  return x.to(15)

def fp32(self, x) -> Tensor:
  return x.float()
