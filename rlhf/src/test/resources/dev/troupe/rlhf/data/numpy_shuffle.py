"""Makes numpy_shuffle.txt: what numpy's legacy RandomState does for a few seeds and sizes, and DeepSpeed-Chat's split by it.

Run: python numpy_shuffle.py > numpy_shuffle.txt   (numpy 1.17 or later; RandomState is frozen)
Lines: shuffle SEED SIZE: permutation        sum SEED SIZE: sum of i * permutation[i] mod 2**31
       split SEED SIZE PARTS: bounds
"""

import numpy as np

for seed, size in [(1234, 10), (0, 1), (42, 2), (4294967295, 17), (7, 100)]:
    permutation = np.arange(size)
    np.random.RandomState(seed).shuffle(permutation)
    print(f"shuffle {seed} {size}:", *permutation)
for seed, size in [(1234, 7473), (1, 100000)]:
    permutation = np.arange(size)
    np.random.RandomState(seed).shuffle(permutation)
    print(f"sum {seed} {size}:", int((np.arange(size, dtype=object) * permutation).sum() % 2**31))
for size, parts in [(10, [2, 4, 4]), (13, [2, 4, 4]), (1500, [2, 4, 4]), (5, [1, 1, 1]), (25, [10, 0, 0]), (7, [1, 1, 0])]:
    bounds = [0]
    for part in parts:
        bounds.append(bounds[-1] + int(round(part / sum(parts) * float(size))))
    excess = bounds[-1] - size
    bounds = [0] + [bound - excess for bound in bounds[1:]]
    print(f"split 0 {size} {','.join(map(str, parts))}:", *bounds)
