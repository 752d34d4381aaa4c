#pragma once
// DL_CLONES before a function: one copy of it for each instruction set, chosen when the library is loaded, which is before a
// sanitizer is ready. Products and sums are never contracted, so all copies give the same bits.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define DL_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DL_CLONES
#endif
