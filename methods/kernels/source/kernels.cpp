// What methods/kernels/native.py calls: plain C functions on flat float32 arrays, all contiguous.
// One handle does one thing at a time; its buffers are its own.
#include <mutex>

#include "adam.hpp"
#include "losses.hpp"

namespace {

struct Handle {
  virtual ~Handle() = default;
  std::mutex busy;
};

struct Inner : Handle {
  explicit Inner(Loss* loss) : loss(loss), g(loss->size) {}
  std::unique_ptr<Loss> loss;
  Buffer g;
};

struct Net : Handle {
  virtual long kept() const = 0;  // floats that ``forward`` keeps of a tile
  virtual void forward(const float* params, const float* x, long rows, float* y, float* kept) = 0;
  virtual void backward(const float* params, const float* x, const float* kept, const float* dy,
                        long rows, float* g, float* dx) = 0;
};

template <class Act>
struct MlpNet : Net {
  explicit MlpNet(const std::vector<int>& widths) : mlp(widths) {}
  long kept() const override { return mlp.hidden(mlp.depth); }

  void forward(const float* params, const float* x, long rows, float* y, float* keep) override {
    mlp.values(mlp.sizes, params, false);
    tiles(rows, [&](long b, int n) {
      pack(x + b * mlp.in(), n, mlp.in(), mlp.h[0]);
      mlp.forward(n);
      unpack(mlp.h[mlp.depth], n, mlp.out(), y + b * mlp.out());
      for (int l = 1; keep && l < mlp.depth; l++)
        std::copy_n(static_cast<float*>(mlp.h[l]), mlp.hidden(l + 1) - mlp.hidden(l),
                    keep + b / ROWS * kept() + mlp.hidden(l));
    });
  }

  void backward(const float* params, const float* x, const float* keep, const float* dy, long rows,
                float* g, float* dx) override {
    mlp.values(mlp.sizes, params);
    if (g) std::memset(g, 0, mlp.sizes.total * sizeof(float));
    tiles(rows, [&](long b, int n) {
      if (g) pack(x + b * mlp.in(), n, mlp.in(), mlp.h[0]);
      pack(dy + b * mlp.out(), n, mlp.out(), mlp.h[mlp.depth]);
      mlp.backward(n, g, dx ? Input::both : Input::none, keep + b / ROWS * kept());
      if (dx) unpack(mlp.h[0], n, mlp.in(), dx + b * mlp.in());
    });
    mlp.collect(g);
  }

  Mlp<Act> mlp;
};

std::vector<int> list(const int* widths, int n) { return {widths, widths + n}; }

}  // namespace

extern "C" {

int lbt_width() { return WIDTH; }

// relu: else tanh. Widths from the input to the output.
Handle* lbt_elbo(int relu, const int* encode, int n, const int* decode, int m, double variance) {
  const auto e = list(encode, n), d = list(decode, m);
  if (relu) return new Inner(new Elbo<Relu>(e, d, variance));
  return new Inner(new Elbo<Tanh>(e, d, variance));
}
Handle* lbt_adversarial(int relu, const int* widths, int n) {
  const auto w = list(widths, n);
  if (relu) return new Inner(new Adversarial<Relu>(w));
  return new Inner(new Adversarial<Tanh>(w));
}
Handle* lbt_net(int relu, const int* widths, int n) {
  const auto w = list(widths, n);
  if (relu) return new MlpNet<Relu>(w);
  return new MlpNet<Tanh>(w);
}
void lbt_free(Handle* handle) { delete handle; }

double lbt_gradient(Handle* handle, const float* phi, const float* x, const float* aux, long rows,
                    float* g, float* gx) {
  auto* inner = static_cast<Inner*>(handle);
  std::scoped_lock lock(inner->busy);
  return inner->loss->gradient(phi, x, aux, rows, g, gx);
}

// ``steps`` Adam updates on as many batches. g: the last gradient, or null. Returns the loss before
// the last.
double lbt_updates(Handle* handle, const Adam* adam, long steps, Point from, const float* x,
                 const float* aux, long rows, Point to, float* g) {
  auto* inner = static_cast<Inner*>(handle);
  std::scoped_lock lock(inner->busy);
  Loss& loss = *inner->loss;
  if (!g) g = inner->g;
  double value = 0;
  for (long i = 0; i < steps; i++) {
    value = loss.gradient(from.params, x + i * rows * loss.x_width, aux + i * rows * loss.aux_width, rows,
                  g, nullptr);
    adam_update(*adam, loss.size, from, g, 1, to);
    from = to;
  }
  return value;
}

// One step of methods/unroll.py's adjoint: cotangents of (phi, m, v) after an update -> before it,
// and hx = dJ/dx. from, g: the point and the gradient of that update.
void lbt_adjoint(Handle* handle, const Adam* adam, Point from, const float* g, const float* x,
                 const float* aux, long rows, const float* lam, const float* lam_m,
                 const float* lam_v, float* new_lam, float* new_m, float* new_v, float* hx) {
  auto* inner = static_cast<Inner*>(handle);
  std::scoped_lock lock(inner->busy);
  float* w = inner->g;
  const long n = inner->loss->size;
  if (adam->detach_v) adam_pull<true>(*adam, n, from, g, lam, lam_m, lam_v, new_m, new_v, w);
  else adam_pull<false>(*adam, n, from, g, lam, lam_m, lam_v, new_m, new_v, w);
  std::copy_n(lam, n, new_lam);
  inner->loss->product(from.params, w, x, aux, rows, new_lam, hx);
}

// Floats that lbt_forward keeps for lbt_backward.
long lbt_kept(Handle* handle, long rows) {
  return (rows + ROWS - 1) / ROWS * static_cast<Net*>(handle)->kept();
}
// keep: null, or lbt_kept floats.
void lbt_forward(Handle* handle, const float* params, const float* x, long rows, float* y,
                 float* keep) {
  auto* net = static_cast<Net*>(handle);
  std::scoped_lock lock(net->busy);
  net->forward(params, x, rows, y, keep);
}
// g: dJ/dparams or null. dx: dJ/dx or null.
void lbt_backward(Handle* handle, const float* params, const float* x, const float* kept,
                  const float* dy, long rows, float* g, float* dx) {
  auto* net = static_cast<Net*>(handle);
  std::scoped_lock lock(net->busy);
  net->backward(params, x, kept, dy, rows, g, dx);
}

// One Adam update with a gradient scaled down to Euclidean norm ``limit`` where it is longer; 0 for
// no limit.
void lbt_adam(const Adam* adam, long n, Point from, const float* g, double limit, Point to) {
  double squares = 0;
  for (long i = 0; limit && i < n; i++) squares += double(g[i]) * g[i];
  const double norm = std::sqrt(squares);
  adam_update(*adam, n, from, g, limit && !(norm <= limit) ? float(limit / norm) : 1.f, to);
}
}
