// Models made of random pieces end in a network or in an Error with a place, never in anything else.
#include <doctest/doctest.h>

#include "base/random.h"
#include "base/str.h"
#include "configs.h"
#include "nn/layer.h"

using namespace dl;

namespace {

const char* const kWords[] = {"type",
                              "use",
                              "name",
                              "inputs",
                              "if",
                              "repeat",
                              "layers",
                              "blocks",
                              "parameters",
                              "outputs",
                              "units",
                              "filters",
                              "kernel",
                              "stride",
                              "padding",
                              "freeze",
                              "init",
                              "b",
                              "c",
                              "x",
                              "dense",
                              "conv2d",
                              "conv_transpose2d",
                              "output_padding",
                              "relu",
                              "batch_norm",
                              "add",
                              "concat",
                              "same",
                              "flatten",
                              "$in",
                              "$index",
                              "$width",
                              "4 * $width",
                              "$depths[1]",
                              "$width ? b : $in",
                              "1 / 0",
                              "((",
                              "$",
                              "b_1",
                              "dense_1",
                              "shape",
                              "reshape",
                              "dilation",
                              "max_pool2d",
                              "groups",
                              "softmax",
                              "axis",
                              "lr_scale",
                              "he_normal",
                              "bias",
                              ".x",
                              "global_avg_pool2d"};

struct Maker {
  Random random;
  std::string word() { return kWords[random.below(std::size(kWords))]; }
  json scalar() {
    switch (random.below(8)) {
      case 0:
        return nullptr;
      case 1:
        return random.below(2) == 0;
      case 2:
        return random.uniform(-10, 10);
      case 3:
        return random.below(1 << 30);
      case 4:
        return -random.below(4);
      case 5:
        return random.below(6);
      default:
        return word();
    }
  }
  json any(int depth) {
    const int64_t kind = random.below(depth > 0 ? 4 : 2);
    if (kind < 2) return scalar();
    json out = kind == 2 ? json::array() : json::object();
    for (int64_t n = random.below(4); n > 0; --n) {
      if (kind == 2)
        out.push_back(any(depth - 1));
      else
        out[word()] = any(depth - 1);
    }
    return out;
  }
  json layer() {
    const int64_t kind = random.below(8);
    if (kind == 0) return any(3);
    if (kind == 1) return word();
    static const std::vector<std::string> types = layer_types();
    json out =
        kind == 2
            ? json{{"use", random.below(2) ? "b" : "c"}}
            : json{{"type", types[static_cast<size_t>(random.below(static_cast<int64_t>(types.size())))]}};
    if (out["type"] == "conv2d" || out["type"] == "conv_transpose2d")
      out.update({{"filters", 1 + random.below(4)}, {"kernel", 1 + random.below(3)}});
    if (out["type"] == "dense") out["units"] = 1 + random.below(5);
    for (int64_t n = random.below(3); n > 0; --n) out[word()] = any(2);
    return out;
  }
  json list() {
    json out = json::array();
    for (int64_t n = random.below(6); n > 0; --n) out.push_back(layer());
    return out;
  }
  json model() {
    json m{{"parameters", {{"width", 2}, {"depths", {1, 2}}}},
           {"inputs", {{"x", random.below(3) ? json{2, 8, 8} : any(2)}}},
           {"blocks",
            {{"b", {{"parameters", {{"width", 3}}}, {"layers", list()}}}, {"c", {{"layers", list()}}}}},
           {"layers", list()}};
    if (random.below(4) == 0) m[word()] = any(3);
    if (random.below(4) == 0) m["outputs"] = any(2);
    return m;
  }
  // One value somewhere inside replaced by anything.
  void spoil(json& j, int depth) {
    if (j.is_structured() && !j.empty() && (depth == 0 || random.below(5))) {
      auto it = j.begin();
      std::advance(it, random.below(static_cast<int64_t>(j.size())));
      return spoil(*it, depth + 1);
    }
    j = any(2);
  }
};

// Whether a network came out; everything else than an Error with a place fails the test.
bool builds(const json& model) {
  try {
    verify(build_model(model, {.batch = 2, .classes = 10}).graph);
    return true;
  } catch (const Error& e) {
    if (e.code != Exit::config || !e.pointer.starts_with("/model"))
      FAIL_CHECK(str(e.pointer, ": ", std::string(e.what()), " in ", model.dump()));
    return false;
  }
}

}  // namespace

TEST_CASE("random models give a network or an error with a place") {
  int good = 0;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    Maker maker{Random(seed, stream_id("models"))};
    good += builds(maker.model());
  }
  CHECK(good > 20);
}

TEST_CASE("shipped models with one spoilt value give a network or an error with a place") {
  int good = 0, bad = 0;
  for (const std::string& name : shipped_models()) {
    json model = shipped_model(name)["model"];
    if (!model.contains("inputs")) model["inputs"] = {{"image", {1, 28, 28}}};
    if (name == "resnet101.json" || name == "resnet152.json") continue;
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Maker maker{Random(seed, stream_id(name))};
      json spoilt = model;
      maker.spoil(spoilt, 0);
      (builds(spoilt) ? good : bad) += 1;
    }
  }
  CHECK(good > 10);
  CHECK(bad > 80);
}
