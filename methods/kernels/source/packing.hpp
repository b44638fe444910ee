// Between the flat arrays of PyTorch and the panels of products.hpp.
#pragma once
#include <algorithm>

#include "products.hpp"

// to[j][i] = from[i][j], 8 x 8, with rows of the given lengths.
INLINE void transpose8(const float* from, long from_row, float* to, long to_row) {
  __m256 r[8], t[8];
  UNROLL(i, 8, r[i] = _mm256_loadu_ps(from + i * from_row));
  UNROLL(i, 4, t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
         t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]));
  UNROLL(i, 2, r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
         r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
         r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
         r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE));
  UNROLL(i, 4, _mm256_storeu_ps(to + i * to_row, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
         _mm256_storeu_ps(to + (i + 4) * to_row, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31)));
}

// W (out, in) for rows times W^T: [panels(out)][in][WIDTH].
inline void pack_transposed(const float* w, int out, int in, float* to) {
  for (int o = 0; o < panels(out) * WIDTH; o += 8)
    for (int i = 0; i < in; i += 8) {
      float* corner = to + (long(o / WIDTH) * in + i) * WIDTH + o % WIDTH;
      if (o + 8 <= out && i + 8 <= in) {
        transpose8(w + long(o) * in + i, in, corner, WIDTH);
        continue;
      }
      for (int k = 0; k < std::min(8, in - i); k++)
        for (int j = 0; j < 8; j++)
          corner[k * WIDTH + j] = o + j < out ? w[long(o + j) * in + i + k] : 0.f;
    }
}

// Rows (rows, columns) as panels [panels(columns)][stride rows][WIDTH], zeros beyond the columns.
// With the default stride a tile of a batch; with stride = rows, W (out, in) for rows times W.
inline void pack(const float* from, int rows, int columns, float* to, int stride = ROWS) {
  for (int p = 0; p < panels(columns); p++) {
    const int width = std::min(WIDTH, columns - p * WIDTH);
    for (int r = 0; r < rows; r++) {
      const float* source = from + long(r) * columns + p * WIDTH;
      float* target = to + (long(p) * stride + r) * WIDTH;
      if (width == WIDTH) {
        UNROLL(v, VECTORS, store(target + v * LANES, load(source + v * LANES)));
        continue;
      }
      for (int i = 0; i < WIDTH; i++) target[i] = i < width ? source[i] : 0.f;
    }
  }
}

// A tile of a batch back to rows (rows, columns).
inline void unpack(const float* from, int rows, int columns, float* to) {
  for (int p = 0; p < panels(columns); p++)
    for (int r = 0; r < rows; r++)
      std::copy_n(from + at(p, r), std::min(WIDTH, columns - p * WIDTH),
                  to + long(r) * columns + p * WIDTH);
}
