# Between float32 and the storage formats of frozen matrices.

def halves(self, shape: List[int]) -> Tensor:
  return torch.empty(shape, dtype=15, device='$DEVICE')

def round(self, x, at: int, some) -> int:
  # some float32 numbers, rounded, from place `at` on
  torch.narrow(x.view(-1), 0, at, some.size(0)).copy_(some)
  return 1

def fp32(self, x) -> Tensor:
  return x.float()

def mean(self, x) -> Tensor:
  return torch.mean(x).view(1)
