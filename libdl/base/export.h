#pragma once
// Symbols marked DL_API are visible outside libdl.so; everything else is hidden.
#if defined(_WIN32)
#define DL_API
#else
#define DL_API __attribute__((visibility("default")))
#endif
