// Vectors of float32: AVX-512 where the target has it, AVX2 otherwise; and loops over registers.
//
// With LBT_EMULATE_AVX512, vectors of 16 on an AVX2 target: slow, for testing the wider build's
// logic where no processor has it.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <utility>

#define INLINE inline __attribute__((always_inline))
#define INLINED __attribute__((always_inline))  // of a lambda

// Comparisons below are written so that a NaN in x survives: min and max return their second
// operand where either is NaN.
#if defined(LBT_EMULATE_AVX512)
constexpr int LANES = 16;
typedef float Vec __attribute__((vector_size(64)));
INLINE Vec load(const float* p) { Vec x; std::memcpy(&x, p, sizeof x); return x; }
INLINE void store(float* p, Vec x) { std::memcpy(p, &x, sizeof x); }
INLINE Vec set(float x) { return Vec{} + x; }
INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
INLINE Vec min(Vec a, Vec x) { return a < x ? a : x; }
INLINE Vec max(Vec a, Vec x) { return a > x ? a : x; }
INLINE Vec round(Vec x) { for (int i = 0; i < LANES; i++) x[i] = std::nearbyint(x[i]); return x; }
INLINE Vec exp2i(Vec n) { for (int i = 0; i < LANES; i++) n[i] = std::ldexp(1.f, int(n[i])); return n; }
#elif defined(__AVX512F__)
constexpr int LANES = 16;
typedef __m512 Vec;
INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
INLINE void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
INLINE Vec set(float x) { return _mm512_set1_ps(x); }
INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE Vec min(Vec a, Vec x) { return _mm512_min_ps(a, x); }
INLINE Vec max(Vec a, Vec x) { return _mm512_max_ps(a, x); }
INLINE Vec round(Vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
INLINE Vec exp2i(Vec n) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}
#else
constexpr int LANES = 8;
typedef __m256 Vec;
INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
INLINE void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
INLINE Vec set(float x) { return _mm256_set1_ps(x); }
INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
INLINE Vec min(Vec a, Vec x) { return _mm256_min_ps(a, x); }
INLINE Vec max(Vec a, Vec x) { return _mm256_max_ps(a, x); }
INLINE Vec round(Vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT); }
INLINE Vec exp2i(Vec n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
#endif

INLINE float sum(Vec x) {
  float lanes[LANES], total = 0;
  store(lanes, x);
  for (float lane : lanes) total += lane;
  return total;
}

// UNROLL(i, n, body): body for i = 0 ... n - 1, each i a constant. GCC keeps arrays of vectors in
// memory when it meets them in a plain loop, at a third of the speed; these loops are gone before
// it looks.
template <int... I, class F>
INLINE void unroll(std::integer_sequence<int, I...>, F&& body) {
  (body(std::integral_constant<int, I>{}), ...);
}
#define UNROLL(i, n, ...)                                                      \
  unroll(std::make_integer_sequence<int, n>{}, [&](auto i##_constant) INLINED { \
    constexpr int i = decltype(i##_constant)::value;                           \
    __VA_ARGS__;                                                               \
  })

// Horner's rule, highest power first.
template <class... C>
INLINE Vec polynomial(Vec x, float first, C... rest) {
  Vec y = set(first);
  ((y = fma(y, x, set(rest))), ...);
  return y;
}

// e^x to 2 ulp: 2^n e^r with |r| <= log(2) / 2 (Cephes' expf). Above 88.7 infinity, below -87.3
// the smallest normal number.
INLINE Vec exp(Vec x) {
  x = min(set(89.f), max(set(-87.3f), x));
  const Vec n = round(x * set(1.44269504088896341f));
  x = fma(n, set(-0.693359375f), x);  // log(2) in two parts
  x = fma(n, set(2.12194440e-4f), x);
  const Vec tail = polynomial(x, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                              4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f);
  return (fma(tail, x * x, x) + set(1.f)) * exp2i(n);
}

// tanh x to 3 ulp, as x p(x^2) / q(x^2) (the rational approximation of Eigen's ptanh).
INLINE Vec tanh(Vec x) {
  x = min(set(7.90531110763549805f), max(set(-7.90531110763549805f), x));
  const Vec t = x * x;
  const Vec p = polynomial(t, -2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f,
                           5.12229709037114e-08f, 1.48572235717979e-05f, 6.37261928875436e-04f,
                           4.89352455891786e-03f);
  const Vec q = polynomial(t, 1.19825839466702e-06f, 1.18534705686654e-04f, 2.26843463243900e-03f,
                           4.89352518554385e-03f);
  return x * p / q;
}
