// The inner problems: a loss of parameters phi and a batch, averaged over it; its gradient, and the
// derivative of its gradients in phi and x along a direction w of phi (one forward-over-reverse
// pass: Hessian-vector and mixed-derivative product).
#pragma once
#include "mlp.hpp"

class Loss {
 public:
  Loss(long size, int x_width, int aux_width)
      : size(size), x_width(x_width), aux_width(aux_width) {}
  virtual ~Loss() = default;
  // g (size) = dloss/dphi; gx (rows, x_width), unless null, = dloss/dx. Returns the loss.
  virtual double gradient(const float* phi, const float* x, const float* aux, long rows, float* g,
                          float* gx) = 0;
  // h (size) += d/dt dloss/dphi (phi + t w), hx (rows, x_width) = d/dt dloss/dx, at t = 0.
  virtual void product(const float* phi, const float* w, const float* x, const float* aux,
                       long rows, float* h, float* hx) = 0;
  const long size;
  const int x_width, aux_width;  // floats a row
};

// body(first row, rows) for every tile of a batch.
template <class F>
void tiles(long rows, F&& body) {
  for (long b = 0; b < rows; b += ROWS) body(b, int(std::min<long>(ROWS, rows - b)));
}

// -ELBO of a VAE with p(h) = N(0, I), p(x|h) = N(decode(h), variance I), one draw eps a point
// (methods/estimators/vae.py). With (mu, lv) = encode(x), s = e^(lv/2), h = mu + s eps:
//
//   loss = mean over rows [ |x - decode(h)|^2 / (2 variance) + sum(mu^2 + s^2 - 1 - lv) / 2 ]
//          + D/2 log(2 pi variance)
//
// With u = dloss/dh from the decoder: dloss/dmu = u + mu/B, dloss/dlv = u s eps/2 + (s^2 - 1)/(2B).
// aux: eps (rows, latent), latent a multiple of WIDTH.
template <class Act>
class Elbo : public Loss {
 public:
  Elbo(const std::vector<int>& encode, const std::vector<int>& decode, double variance)
      : Loss(Sizes(encode).total + Sizes(decode).total, encode.front(), decode.front()),
        encode_(encode), decode_(decode), variance_(variance), latent_(decode.front()),
        s_(size_t(latent_) * ROWS), s_along_(size_t(latent_) * ROWS) {}

  double gradient(const float* phi, const float* x, const float* eps, long rows, float* g,
                  float* gx) override {
    pack(phi, encode_.values, decode_.values);
    std::memset(g, 0, size * sizeof(float));
    const Vec share = set(1.f / rows);
    double total = 0;
    tiles(rows, [&](long b, int n) {
      const float *xb = x + b * x_width, *eb = eps + b * latent_;
      total += visit(xb, eb, n);
      total += miss(n, rows);
      if (gx) direct(decode_.h[decode_.depth], n, gx + b * x_width);
      decode_.backward(n, g + encode_.sizes.total, Input::both);
      float *mu = encode_.h[encode_.depth], *lv = mu + log_variances();
      const float *u = decode_.h[0], *s = s_;
      each(n, latent_, [&](long i, int row, int column) INLINED {
        const Vec e = load(eb + row * latent_ + column), sd = load(s + i), ui = load(u + i);
        store(lv + i, to_log_variance(ui, sd, e, share));
        store(mu + i, fma(load(mu + i), share, ui));
      });
      encode_.backward(n, g, gx ? Input::both : Input::none);
      if (gx) add(encode_.h[0], n, gx + b * x_width);
    });
    encode_.collect(g);
    decode_.collect(g + encode_.sizes.total);
    return total / rows + x_width / 2. * std::log(2 * M_PI * variance_);
  }

  void product(const float* phi, const float* w, const float* x, const float* eps, long rows,
               float* h, float* hx) override {
    pack(phi, encode_.values, decode_.values);
    pack(w, encode_.direction, decode_.direction);
    const Vec share = set(1.f / rows), half = set(.5f);
    tiles(rows, [&](long b, int n) {
      const float *xb = x + b * x_width, *eb = eps + b * latent_;
      visit(xb, eb, n);
      encode_.forward_along(n, false);
      float *mu = encode_.h[encode_.depth], *lv = mu + log_variances();
      float *mu_along = encode_.along[encode_.depth], *lv_along = mu_along + log_variances();
      float *s = s_, *s_along = s_along_, *moved = decode_.along[0];
      each(n, latent_, [&](long i, int row, int column) INLINED {
        const Vec sd = load(s + i) * half * load(lv_along + i);
        store(s_along + i, sd);
        store(moved + i, fma(sd, load(eb + row * latent_ + column), load(mu_along + i)));
      });
      decode_.forward_along(n, true);
      miss(n, rows);
      float* out_along = decode_.along[decode_.depth];
      const Vec precision = set(float(1 / (variance_ * rows)));
      each(n, x_width, [&](long i, int, int) INLINED {
        store(out_along + i, load(out_along + i) * precision);
      });
      direct(out_along, n, hx + b * x_width);
      decode_.backward_along(n, h + encode_.sizes.total, true, Input::both);
      const float *u = decode_.h[0], *u_along = decode_.along[0];
      each(n, latent_, [&](long i, int row, int column) INLINED {
        const Vec e = load(eb + row * latent_ + column), ui = load(u + i), ut = load(u_along + i);
        const Vec sd = load(s + i), st = load(s_along + i);
        store(lv + i, to_log_variance(ui, sd, e, share));
        store(mu + i, fma(load(mu + i), share, ui));
        store(lv_along + i, fma(fma(ut, sd, ui * st) * half, e, sd * st * share));
        store(mu_along + i, fma(load(mu_along + i), share, ut));
      });
      encode_.backward_along(n, h, false, Input::tangent);
      add(encode_.along[0], n, hx + b * x_width);
    });
    encode_.collect(h);
    decode_.collect(h + encode_.sizes.total);
  }

 private:
  void pack(const float* params, Packed& encode, Packed& decode) {
    encode(encode_.sizes, params);
    decode(decode_.sizes, params + encode_.sizes.total);
  }

  long log_variances() const { return at(panels(latent_), 0); }  // their offset behind the means

  static INLINE Vec to_log_variance(Vec u, Vec s, Vec eps, Vec share) {
    return set(.5f) * fma(u * s, eps, fma(s, s, set(-1.f)) * share);
  }

  // Forward pass of one tile, s kept. Returns the KL divergences' sum.
  double visit(const float* x, const float* eps, int n) {
    ::pack(x, n, x_width, encode_.h[0]);
    encode_.forward(n);
    const float *mu = encode_.h[encode_.depth], *lv = mu + log_variances();
    float *s = s_, *h = decode_.h[0];
    Vec kl = set(0.f);
    each(n, latent_, [&](long i, int row, int column) INLINED {
      const Vec m = load(mu + i), l = load(lv + i), sd = exp(l * set(.5f));
      store(s + i, sd);
      store(h + i, fma(sd, load(eps + row * latent_ + column), m));
      kl += fma(m, m, fma(sd, sd, set(-1.f) - l));
    });
    decode_.forward(n);
    return .5 * sum(kl);
  }

  // The decoder's output becomes delta = (decode(h) - x) / (variance B). Returns the tile's share
  // of |x - decode(h)|^2 / (2 variance).
  double miss(int n, long rows) {
    const float* x = encode_.h[0];
    float* out = decode_.h[decode_.depth];
    const Vec precision = set(float(1 / (variance_ * rows)));
    Vec squares = set(0.f);
    each(n, x_width, [&](long i, int, int) INLINED {
      const Vec e = load(out + i) - load(x + i);
      squares = fma(e, e, squares);
      store(out + i, e * precision);
    });
    return sum(squares) / (2 * variance_);
  }

  // x's own share of dloss/dx, beside that through the encoder, or its tangent: -delta.
  void direct(const float* delta, int n, float* to) const {
    for (int r = 0; r < n; r++)
      for (int i = 0; i < x_width; i++)
        to[r * x_width + i] = -delta[at(i / WIDTH, r) + i % WIDTH];
  }

  void add(const float* delta, int n, float* to) const {
    for (int r = 0; r < n; r++)
      for (int i = 0; i < x_width; i++)
        to[r * x_width + i] += delta[at(i / WIDTH, r) + i % WIDTH];
  }

  Mlp<Act> encode_, decode_;
  const double variance_;
  const int latent_;
  Buffer s_, s_along_;  // standard deviations of q(h|x), and their tangents
};

// Binary cross-entropy of a discriminator D (methods/losses.py, gan_psi):
//
//   loss = mean over rows of aux sp(-D(aux)) + mean over rows of x sp(D(x))
//
// with sp(t) = log(1 + e^t); aux: data, x: generated points, as many. With p = sigmoid(D):
// dloss/dD = (p - 1)/B on data, p/B on x; both have the tangent p (1 - p) D'/B.
template <class Act>
class Adversarial : public Loss {
 public:
  explicit Adversarial(const std::vector<int>& widths)
      : Loss(Sizes(widths).total, widths.front(), widths.front()), judge_(widths) {}

  double gradient(const float* psi, const float* x, const float* real, long rows, float* g,
                  float* gx) override {
    judge_.values(judge_.sizes, psi);
    std::memset(g, 0, size * sizeof(float));
    double total = 0;
    sides(x, real, rows, [&](const float* points, float label, long b, int n) {
      pack(points, n, x_width, judge_.h[0]);
      judge_.forward(n);
      total += blame(label, n, rows, nullptr);
      const bool wanted = gx && !label;
      judge_.backward(n, g, wanted ? Input::both : Input::none);
      if (wanted) unpack(judge_.h[0], n, x_width, gx + b * x_width);
    });
    judge_.collect(g);
    return total / rows;
  }

  void product(const float* psi, const float* w, const float* x, const float* real, long rows,
               float* h, float* hx) override {
    judge_.values(judge_.sizes, psi);
    judge_.direction(judge_.sizes, w);
    sides(x, real, rows, [&](const float* points, float label, long b, int n) {
      pack(points, n, x_width, judge_.h[0]);
      judge_.forward(n);
      judge_.forward_along(n, false);
      blame(label, n, rows, judge_.along[judge_.depth]);
      judge_.backward_along(n, h, false, label ? Input::none : Input::tangent);
      if (!label) unpack(judge_.along[0], n, x_width, hx + b * x_width);
    });
    judge_.collect(h);
  }

 private:
  // body(points, label, first row, rows): tiles of data, label 1, then of generated points, 0.
  template <class F>
  void sides(const float* x, const float* real, long rows, F&& body) {
    for (float label : {1.f, 0.f})
      tiles(rows, [&](long b, int n) { body((label ? real : x) + b * x_width, label, b, n); });
  }

  // Logits become dloss/dD, their tangents its tangent. Returns the tile's share of the loss.
  double blame(float label, int n, long rows, float* along) {
    float* logits = judge_.h[judge_.depth];
    double total = 0;
    for (int r = 0; r < n; r++) {
      // t is how wrong a logit is; nothing below overflows.
      const double t = label ? -logits[at(0, r)] : logits[at(0, r)], e = std::exp(-std::fabs(t));
      total += std::max(t, 0.) + std::log1p(e);
      const double p = (t > 0 ? 1 : e) / (1 + e);
      logits[at(0, r)] = float((label ? -p : p) / rows);
      if (along) along[at(0, r)] *= float(e / ((1 + e) * (1 + e)) / rows);
    }
    return total;
  }

  Mlp<Act> judge_;
};
