// Matrix products of one tile of rows, with whatever happens to the result done in registers.
//
// A batch goes through a network ROWS rows at a time, so that all that its layers exchange stays in
// cache. A matrix of such rows is kept as panels of WIDTH columns, [panels(columns)][ROWS][WIDTH];
// weights are packed as [panels][depth][WIDTH]. Columns beyond the matrix are filled up: with zeros
// in weights, with numbers that nobody reads in rows.
#pragma once
#include "simd.hpp"

#ifndef LBT_ROWS
#define LBT_ROWS 64
#endif
constexpr int ROWS = LBT_ROWS;
constexpr int VECTORS = 2, WIDTH = VECTORS * LANES;
// Rows of the register tile, tall and short: 12 or 24 accumulators of the 16 or 32 registers.
constexpr int TALL = LANES == 16 ? 12 : 6, SHORT = LANES == 16 ? 8 : 4;
static_assert(2 * TALL + SHORT == WIDTH, "a panel is cut into pieces of these");

inline int panels(int columns) { return (columns + WIDTH - 1) / WIDTH; }
inline long at(int panel, int row) { return (long(panel) * ROWS + row) * WIDTH; }

template <int M>
struct Tile {
  Vec c[M][VECTORS];
};

// body(vector, offset into panels, column) for every vector of a tile at (row, panel).
template <int M, class F>
INLINE void each(Tile<M>& tile, int row, int panel, F&& body) {
  UNROLL(m, M, UNROLL(v, VECTORS, body(tile.c[m][v], at(panel, row + m) + v * LANES,
                                       panel * WIDTH + v * LANES)));
}

// body(offset into panels, row, column) for every vector of a matrix of rows.
template <class F>
INLINE void each(int rows, int columns, F&& body) {
  for (int panel = 0; panel < panels(columns); panel++)
    for (int row = 0; row < rows; row++)
      for (int v = 0; v < VECTORS; v++)
        body(at(panel, row) + v * LANES, row, panel * WIDTH + v * LANES);
}

// sums[column] += sum of the tile over its rows.
template <int M>
INLINE void add_rows(const Tile<M>& tile, float* sums) {
  UNROLL(v, VECTORS, Vec s = load(sums + v * LANES); UNROLL(m, M, s += tile.c[m][v]);
         store(sums + v * LANES, s));
}

// sums[column] += sum over rows, of a whole matrix.
inline void add_rows(int rows, int columns, const float* x, float* sums) {
  each(rows, columns, [&](long i, int, int column) INLINED {
    store(sums + column, load(sums + column) + load(x + i));
  });
}

// tile += a b^T for one step of depth: a[m * STRIDE] for every row m, b one vector row.
template <int STRIDE, int M>
INLINE void outer(Tile<M>& tile, const float* a, const float* b) {
  Vec row[VECTORS];
  UNROLL(v, VECTORS, row[v] = load(b + v * LANES));
  UNROLL(m, M, const Vec x = set(a[m * STRIDE]);
         UNROLL(v, VECTORS, tile.c[m][v] = fma(x, row[v], tile.c[m][v])));
}

// tile += A B with A (M, depth) in panels and B (depth, WIDTH) packed.
template <int M>
INLINE void multiply(Tile<M>& tile, const float* a, const float* b, int depth) {
  for (; depth >= WIDTH; depth -= WIDTH, a += ROWS * WIDTH)
#pragma GCC unroll 4
    for (int k = 0; k < WIDTH; k++, b += WIDTH) outer<WIDTH>(tile, a + k, b);
  for (int k = 0; k < depth; k++, b += WIDTH) outer<WIDTH>(tile, a + k, b);
}

// tile += A^T X over rows, with A (rows, M) and X (rows, WIDTH) within panels.
template <int M>
INLINE void correlate(Tile<M>& tile, const float* a, const float* x, int rows) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++, a += WIDTH, x += WIDTH) outer<1>(tile, a, x);
}

// body<M>(start) on pieces of 0 ... n - 1.
template <class F>
INLINE void pieces(int n, F&& body) {
  for (int i = 0; i < n;) {
    const int left = n - i;
    auto take = [&]<int M>() INLINED { body.template operator()<M>(i); i += M; };
    if (left >= TALL && left != 2 * SHORT) take.template operator()<TALL>();
    else if (left >= SHORT) take.template operator()<SHORT>();
    else if (left >= 2) take.template operator()<2>();
    else take.template operator()<1>();
  }
}

// A factor pair of a product; absent where a is null.
struct Factors {
  const float *a, *b;  // a: rows in panels (rows, depth); b: packed (depth, columns)
};

template <int M, class Finish>
__attribute__((noinline)) void block(Factors one, Factors two, int depth, int row, int panel,
                                     const Finish& finish) {
  Tile<M> tile;
  UNROLL(m, M, UNROLL(v, VECTORS, tile.c[m][v] = set(0.f)));
  multiply(tile, one.a + row * WIDTH, one.b + long(panel) * depth * WIDTH, depth);
  if (two.a) multiply(tile, two.a + row * WIDTH, two.b + long(panel) * depth * WIDTH, depth);
  finish(tile, row, panel);
}

// finish(tile, row, panel) with every tile of A B (+ A' B').
template <class Finish>
void product(int rows, int columns, int depth, Factors one, Factors two, const Finish& finish) {
  for (int panel = 0; panel < panels(columns); panel++)
    pieces(rows, [&]<int M>(int row) INLINED { block<M>(one, two, depth, row, panel, finish); });
}

// Two matrices of rows in panels whose A^T X is wanted; absent where a is null.
struct Pair {
  const float *a, *x;
};

template <int M>
__attribute__((noinline)) void correlate_block(Pair one, Pair two, int rows, float* to, int width,
                                               long down, long across) {
  Tile<M> tile;
  UNROLL(m, M, UNROLL(v, VECTORS, tile.c[m][v] = set(0.f)));
  correlate(tile, one.a, one.x, rows);
  if (two.a) correlate(tile, two.a, two.x, rows);
  if (across == 1 && width == WIDTH) {
    UNROLL(m, M, UNROLL(v, VECTORS, float* c = to + m * down + v * LANES;
                        store(c, load(c) + tile.c[m][v])));
    return;
  }
  float lanes[M][WIDTH];
  UNROLL(m, M, UNROLL(v, VECTORS, store(lanes[m] + v * LANES, tile.c[m][v])));
  for (int m = 0; m < M; m++)
    for (int i = 0; i < width; i++) to[m * down + i * across] += lanes[m][i];
}

// to[o * down + i * across] += sum over rows of a[row][o] x[row][i] (+ the same of the other pair).
inline void correlate(int rows, int a_columns, int x_columns, Pair one, Pair two, float* to,
                      long down, long across) {
  for (int i = 0; i < panels(x_columns); i++)
    for (int o = 0; o < panels(a_columns); o++) {
      const int width = std::min(WIDTH, x_columns - i * WIDTH);
      pieces(std::min(WIDTH, a_columns - o * WIDTH), [&]<int M>(int m) INLINED {
        auto of = [&](Pair p) {
          return p.a ? Pair{p.a + at(o, 0) + m, p.x + at(i, 0)} : Pair{nullptr, nullptr};
        };
        float* corner = to + (o * WIDTH + m) * down + i * WIDTH * across;
        correlate_block<M>(of(one), of(two), rows, corner, width, down, across);
      });
    }
}
