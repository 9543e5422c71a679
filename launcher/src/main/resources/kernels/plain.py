# One operation of torch each, for a training step that calls them one by one.

def leaf(self, x):
  return x.detach().clone().requires_grad_(True)

def split(self, x, sizes: List[int]) -> List[Tensor]:
  return torch.split_with_sizes(x, sizes)

def view(self, x, shape: List[int]):
  return x.reshape(shape)

def narrow(self, x, dim: int, at: int, size: int):
  return torch.narrow(x, dim, at, size)

def transpose(self, x, one: int, other: int):
  return x.transpose(one, other)

def repeat(self, x, times: int, dim: int):
  return torch.repeat_interleave(x, times, dim)

def complex(self, x):
  return torch.view_as_complex(x)

def real(self, x):
  return torch.view_as_real(x)

def embedding(self, w, ids):
  return torch.embedding(w, ids)

def linear(self, x, w):
  return torch.linear(x, w)

def matmul(self, x, y):
  return torch.matmul(x, y)

def add(self, x, y):
  return x + y

def add_number(self, x, y: float):
  return x + y

def multiply(self, x, y):
  return x * y

def multiply_number(self, x, y: float):
  return x * y

def mean(self, x):
  return torch.mean(x, [-1], True)

def rsqrt(self, x):
  return torch.rsqrt(x)

def silu(self, x):
  return torch.silu(x)

def softmax(self, x):
  return torch.softmax(x, -1)

def log_softmax(self, x):
  return torch.log_softmax(x, -1)

def causal(self, n: int):
  return torch.triu(torch.full([n, n], -inf), 1)

def select(self, x, rows):
  return x.index_select(0, rows)

def gather(self, x, at):
  return x.gather(1, at)

def negative_mean(self, x):
  return -x.mean()

def gradient(self, loss, leaf):
  g = torch.grad([loss], [leaf])[0]
  assert g is not None
  return g

def norm(self, x) -> float:
  return float(torch.linalg_vector_norm(x))

def number(self, x) -> float:
  return float(x)
