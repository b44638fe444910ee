// Adam (methods/optim.py) and its pull-back; plain loops, which the compiler turns into vectors.
//
//   m' = g + b1 (m - g),  v' = b2 v + (1 - b2) g^2,  p' = p - rate m' / (sqrt(v' + eps_root) + floor)
//
// with rate = eta sqrt(1 - b2^t) / (1 - b1^t) and floor = eps sqrt(1 - b2^t), t counting this step.
#pragma once
#include <cmath>

struct Adam {
  double eta, beta1, beta2, eps, eps_root;
  int detach_v;
};

struct Rates {
  // In double: in float32, 1 - 0.999^t is wrong by 1e-5 of itself at first.
  Rates(const Adam& a, double t) {
    const double root = std::sqrt(1 - std::pow(a.beta2, t));
    rate = float(a.eta * root / (1 - std::pow(a.beta1, t)));
    floor = float(a.eps * root);
  }
  float rate, floor;
};

// Parameters with their moments and count, as arrays of the caller.
struct Point {
  float *params, *m, *v, *t;
};

// ``to`` may be ``from``. share: a factor on g.
inline void adam_update(const Adam& a, long n, const Point& from, const float* __restrict g,
                        float share, const Point& to) {
  const Rates r(a, *from.t + 1.);
  const float b1 = float(a.beta1), b2 = float(a.beta2), c2 = float(1 - a.beta2);
  const float eps_root = float(a.eps_root);
#pragma GCC ivdep
  for (long i = 0; i < n; i++) {
    const float gi = share * g[i];
    const float m = gi + b1 * (from.m[i] - gi), v = b2 * from.v[i] + c2 * (gi * gi);
    to.m[i] = m;
    to.v[i] = v;
    to.params[i] = from.params[i] - r.rate * m / (std::sqrt(v + eps_root) + r.floor);
  }
  *to.t = *from.t + 1;
}

// Cotangents of (params, m, v) after the step -> before it, but for what comes through g, whose
// cotangent is w. from: the point and gradient of the step.
template <bool DETACH_V>
void adam_pull(const Adam& a, long n, const Point& from, const float* __restrict g,
               const float* __restrict lam, const float* __restrict lam_m,
               const float* __restrict lam_v, float* __restrict new_m, float* __restrict new_v,
               float* __restrict w) {
  const Rates r(a, *from.t + 1.);
  const float b1 = float(a.beta1), b2 = float(a.beta2), c1 = float(1 - a.beta1);
  const float c2 = float(1 - a.beta2), eps_root = float(a.eps_root);
#pragma GCC ivdep
  for (long i = 0; i < n; i++) {
    const float m = g[i] + b1 * (from.m[i] - g[i]), v = b2 * from.v[i] + c2 * (g[i] * g[i]);
    const float root = std::sqrt(v + eps_root), below = root + r.floor;
    const float pull = r.rate * lam[i] / below;
    const float to_m = lam_m[i] - pull;
    const float to_v = DETACH_V ? lam_v[i] : lam_v[i] + .5f * pull * m / (below * root);
    new_m[i] = b1 * to_m;
    new_v[i] = b2 * to_v;
    w[i] = c1 * to_m + 2 * c2 * g[i] * to_v;
  }
}
