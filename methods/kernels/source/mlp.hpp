// A fully connected network with a linear output on one tile of rows: values, gradients, and both
// along a direction w of its parameters (d/dt at params + t w, t = 0).
//
//   h_l = act(h_{l-1} W_l^T + b_l)                       l = 1 ... n - 1;  the last without act
//   delta_{l-1} = (delta_l W_l) act'(h_{l-1})            delta_n = dJ/dh_n;  the first without act'
//   dJ/dW_l = sum over rows delta_l^T h_{l-1}            dJ/db_l = sum over rows delta_l
//
// and, with a dot for d/dt, T_l and c_l the direction's weights and biases,
//
//   h'_l = act'(h_l) (h'_{l-1} W_l^T + h_{l-1} T_l^T + c_l)
//   delta'_{l-1} = (delta'_l W_l + delta_l T_l) act'(h) + (delta_l W_l) (act'(h))'
//   (dJ/dW_l)' = sum over rows delta'_l^T h_{l-1} + delta_l^T h'_{l-1}
#pragma once
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include "packing.hpp"

// Activations: slope and bend from their value y, bend being the slope's tangent.
struct Tanh {
  static INLINE Vec value(Vec x) { return tanh(x); }
  static INLINE Vec slope(Vec y) { return fma(-y, y, set(1.f)); }
  static INLINE Vec bend(Vec y, Vec along) { return set(-2.f) * y * along; }
};
struct Relu {
  static INLINE Vec value(Vec x) { return max(set(0.f), x); }
  static INLINE Vec slope(Vec y) { return y > set(0.f) ? set(1.f) : set(0.f); }
  static INLINE Vec bend(Vec, Vec) { return set(0.f); }
};

// Aligned zeros.
class Buffer {
 public:
  explicit Buffer(size_t n = 0) : from_(static_cast<float*>(std::aligned_alloc(64, bytes(n)))) {
    if (!from_) throw std::bad_alloc();
    std::memset(from_.get(), 0, bytes(n));
  }
  operator float*() const { return from_.get(); }

 private:
  struct Free { void operator()(float* p) const { std::free(p); } };
  static size_t bytes(size_t n) { return (n * sizeof(float) / 64 + 1) * 64; }
  std::unique_ptr<float, Free> from_;
};

struct Layer {
  int in, out;
  long weight, bias;  // offsets in the flat parameters
};

struct Sizes {
  explicit Sizes(const std::vector<int>& widths) {
    for (size_t l = 0; l + 1 < widths.size(); l++) {
      const int in = widths[l], out = widths[l + 1];
      layers.push_back({in, out, total, total + long(in) * out});
      total += long(in + 1) * out;
    }
  }
  std::vector<Layer> layers;
  long total = 0;  // parameters
};

// One vector of parameters (or a direction) as the products want it.
struct Packed {
  explicit Packed(const Sizes& sizes) {
    for (const Layer& l : sizes.layers) {
      forward.emplace_back(size_t(panels(l.out)) * WIDTH * l.in);
      backward.emplace_back(size_t(panels(l.in)) * WIDTH * l.out);
      bias.emplace_back(size_t(panels(l.out)) * WIDTH);
    }
  }
  void operator()(const Sizes& sizes, const float* params, bool back = true) {
    for (size_t i = 0; i < sizes.layers.size(); i++) {
      const Layer& l = sizes.layers[i];
      pack_transposed(params + l.weight, l.out, l.in, forward[i]);
      if (back) pack(params + l.weight, l.out, l.in, backward[i], l.out);
      std::copy_n(params + l.bias, l.out, static_cast<float*>(bias[i]));
    }
  }
  std::vector<Buffer> forward, backward, bias;
};

enum class Input { none, tangent, both };  // what a backward pass finds for h_0

template <class Act>
class Mlp {
 public:
  explicit Mlp(const std::vector<int>& widths)
      : sizes(widths), values(sizes), direction(sizes), depth(int(sizes.layers.size())) {
    int widest = 0;
    for (int width : widths) {
      h.emplace_back(size_t(panels(width)) * WIDTH * ROWS);
      along.emplace_back(size_t(panels(width)) * WIDTH * ROWS);
      widest = std::max(widest, panels(width) * WIDTH);
    }
    for (const Layer& l : sizes.layers) sums_.emplace_back(size_t(panels(l.out)) * WIDTH);
    scratch_ = Buffer(size_t(widest) * ROWS);
  }
  Mlp(const Mlp&) = delete;

  // h[0] -> h[1 ... n].
  void forward(int rows) {
    for (int l = 0; l < depth; l++) {
      const float* bias = values.bias[l];
      float* to = h[l + 1];
      layer(l, rows, {h[l], values.forward[l]}, {}, l + 1 < depth,
            [=](Vec c, long, int column) INLINED { return Act::value(c + load(bias + column)); },
            [=](Vec c, long, int column) INLINED { return c + load(bias + column); }, to);
    }
  }

  // Tangents after forward: along[0], where the input moves, -> along[1 ... n].
  void forward_along(int rows, bool moving) {
    for (int l = 0; l < depth; l++) {
      const float *bias = direction.bias[l], *y = h[l + 1];
      const Factors own = {h[l], direction.forward[l]}, passed = {along[l], values.forward[l]};
      const bool both = l > 0 || moving;
      layer(l, rows, both ? passed : own, both ? own : Factors{}, l + 1 < depth,
            [=](Vec c, long i, int column) INLINED {
              return Act::slope(load(y + i)) * (c + load(bias + column));
            },
            [=](Vec c, long, int column) INLINED { return c + load(bias + column); },
            along[l + 1]);
    }
  }

  // From h[n] = delta_n: deltas take the place of h, layer by layer. Weight gradients are added to
  // g (null for none), those of biases gathered for ``collect``. kept: the hidden values, where
  // they are not in h.
  void backward(int rows, float* g, Input input, const float* kept = nullptr) {
    const Layer& top = sizes.layers.back();
    if (g) add_rows(rows, top.out, h[depth], sums_[depth - 1]);
    for (int l = depth - 1; l >= 0; l--) {
      const Layer& shape = sizes.layers[l];
      const float* y = kept && l ? kept + hidden(l) : h[l];
      if (g) weights(shape, rows, {h[l + 1], y}, {}, g);
      if (l == 0 && input == Input::none) break;
      float *to = h[l], *sums = l ? static_cast<float*>(sums_[l - 1]) : nullptr;
      layer_back(l, rows, {h[l + 1], values.backward[l]}, {},
                 [=](auto& tile, int row, int panel) INLINED {
                   each(tile, row, panel, [&](Vec& c, long i, int) INLINED {
                     c = c * Act::slope(load(y + i));
                     store(to + i, c);
                   });
                   add_rows(tile, sums + panel * WIDTH);
                 }, to);
    }
  }

  // From h[n] = delta_n and along[n], its tangent: both take the places of h and along; tangents of
  // the weights' gradients are added to g. moving: as in forward_along.
  void backward_along(int rows, float* g, bool moving, Input input) {
    const Layer& top = sizes.layers.back();
    add_rows(rows, top.out, along[depth], sums_[depth - 1]);
    for (int l = depth - 1; l >= 0; l--) {
      const Layer& shape = sizes.layers[l];
      const Pair turned = {h[l + 1], along[l]};
      weights(shape, rows, {along[l + 1], h[l]}, l > 0 || moving ? turned : Pair{}, g);
      if (l == 0 && input == Input::none) break;
      float *y = h[l], *tangent = along[l], *u = scratch_;
      if (l > 0 || input == Input::both)
        product(rows, shape.in, shape.out, {h[l + 1], values.backward[l]}, {}, storing(l ? u : y));
      float* sums = l ? static_cast<float*>(sums_[l - 1]) : nullptr;
      layer_back(l, rows, {along[l + 1], values.backward[l]}, {h[l + 1], direction.backward[l]},
                 [=](auto& tile, int row, int panel) INLINED {
                   each(tile, row, panel, [&](Vec& c, long i, int) INLINED {
                     const Vec value = load(y + i), slope = Act::slope(value), back = load(u + i);
                     c = fma(c, slope, back * Act::bend(value, load(tangent + i)));
                     store(y + i, back * slope);
                     store(tangent + i, c);
                   });
                   add_rows(tile, sums + panel * WIDTH);
                 }, tangent);
    }
  }

  // Adds the gradients of biases that the backward passes gathered since the last call to g, or
  // forgets them where that is null.
  void collect(float* g) {
    for (int l = 0; l < depth; l++) {
      float* sums = sums_[l];
      for (int i = 0; g && i < sizes.layers[l].out; i++) g[sizes.layers[l].bias + i] += sums[i];
      std::memset(sums, 0, sizeof(float) * panels(sizes.layers[l].out) * WIDTH);
    }
  }

  // Offset of hidden layer l = 1 ... n - 1 among those of one tile; l = n: floats a tile needs.
  long hidden(int l) const {
    return std::accumulate(sizes.layers.begin(), sizes.layers.begin() + l - 1, 0l,
                           [](long n, const Layer& shape) { return n + at(panels(shape.out), 0); });
  }
  int in() const { return sizes.layers.front().in; }
  int out() const { return sizes.layers.back().out; }

  const Sizes sizes;
  Packed values, direction;
  std::vector<Buffer> h, along;
  const int depth;

 private:
  static auto storing(float* to) {
    return [=](auto& tile, int row, int panel) INLINED {
      each(tile, row, panel, [&](Vec& c, long i, int) INLINED { store(to + i, c); });
    };
  }

  template <class Hidden, class Output>
  void layer(int l, int rows, Factors one, Factors two, bool is_hidden, const Hidden& hidden,
             const Output& output, float* to) {
    const Layer& shape = sizes.layers[l];
    auto finish = [=](const auto& value) {
      return [=](auto& tile, int row, int panel) INLINED {
        each(tile, row, panel, [&](Vec& c, long i, int column) INLINED {
          store(to + i, value(c, i, column));
        });
      };
    };
    if (is_hidden) product(rows, shape.out, shape.in, one, two, finish(hidden));
    else product(rows, shape.out, shape.in, one, two, finish(output));
  }

  template <class Finish>
  void layer_back(int l, int rows, Factors one, Factors two, const Finish& finish, float* to) {
    const Layer& shape = sizes.layers[l];
    if (l) product(rows, shape.in, shape.out, one, two, finish);
    else product(rows, shape.in, shape.out, one, two, storing(to));
  }

  // g of a weight (out, in) from pairs of deltas and inputs; the wider of the two along vectors.
  void weights(const Layer& shape, int rows, Pair one, Pair two, float* g) {
    if (shape.in >= WIDTH || shape.in >= shape.out) {
      correlate(rows, shape.out, shape.in, one, two, g + shape.weight, shape.in, 1);
      return;
    }
    auto turned = [](Pair p) { return p.a ? Pair{p.x, p.a} : Pair{}; };
    correlate(rows, shape.in, shape.out, turned(one), turned(two), g + shape.weight, 1, shape.in);
  }

  std::vector<Buffer> sums_;  // gradients of biases
  Buffer scratch_;
};
