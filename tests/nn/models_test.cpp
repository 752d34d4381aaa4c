// Every shipped model config builds, for training and for inference, and has the size its paper or table says.
#include <doctest/doctest.h>

#include "base/clock.h"
#include "base/error.h"
#include "configs.h"
#include "nn/model.h"
#include "nn/summary.h"

using namespace dl;

static const InputInfo kDigits{"image", {DType::u8, {1, 28, 28}}};

static BuildOptions options_for(const json& model, bool training) {
  BuildOptions o{.batch = 2, .training = training};
  o.classes = 10;
  if (!model.contains("inputs")) o.inputs = {kDigits};
  return o;
}

struct Size {
  const char* file;
  int64_t parameters;
  int64_t multiply_adds;  // of one sample; 0: not stated
  std::vector<int64_t> output;
};

static const Size kSizes[] = {
    {"alexnet.json", 60'965'224, 724'406'816, {2, 1000}},
    {"alexnet_small.json", 993'098, 0, {2, 10}},
    {"embedding_triplet.json", 220'426, 0, {2, 10}},
    {"lenet5.json", 61'706, 416'520, {2, 10}},
    {"lenet5_relu.json", 61'706, 416'520, {2, 10}},
    {"linear_svm.json", 7'850, 7'840, {2, 10}},
    {"mlp.json", 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10, 784 * 256 + 256 * 256 + 2560, {2, 10}},
    {"mobilenet_v2.json", 3'504'872, 300'774'272, {2, 1000}},
    {"perceptron.json", 7'850, 7'840, {2, 10}},
    {"resnet20.json", 272'474, 0, {2, 10}},
    {"resnet50.json", 25'557'032, 4'089'184'256, {2, 1000}},
    {"resnet101.json", 44'549'160, 0, {2, 1000}},
    {"resnet152.json", 60'192'808, 0, {2, 1000}},
    {"selu_mlp.json", 664'074, 0, {2, 10}},
    {"unet.json", 1'942'577, 758'120'448, {2, 1, 128, 128}},
    {"vgg16_bn.json", 138'365'992, 15'470'264'320, {2, 1000}},
};

TEST_CASE("every shipped model builds and has the parameters of its paper") {
  std::vector<std::string> listed;
  for (const Size& size : kSizes) {
    CAPTURE(size.file);
    listed.emplace_back(size.file);
    const json model = shipped_model(size.file)["model"];
    for (bool training : {true, false}) {
      const Model m = build_model(model, options_for(model, training));
      verify(m.graph);
      const Summary s = summarize(m);
      CHECK(s.trainable == size.parameters);
      if (size.multiply_adds) CHECK(s.multiply_adds == size.multiply_adds);
      const Shape& y = m.graph.type(m.graph.outputs[0].value).shape;
      CHECK(std::vector<int64_t>(y.begin(), y.end()) == size.output);
    }
  }
  std::sort(listed.begin(), listed.end());
  CHECK(listed == shipped_models());
}

TEST_CASE("ResNet-152 builds in less than 50 ms") {
  const json model = shipped_model("resnet152.json")["model"];
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = steady_seconds();
    const Model m = build_model(model, {.batch = 32});
    best = std::min(best, 1e3 * (steady_seconds() - start));
    CHECK(m.parameters.size() == 155 * 3 + 2);
  }
  MESSAGE("resnet152: ", best, " ms");
#ifdef NDEBUG
  CHECK(best < 50);
#endif
}

TEST_CASE("the plan table of LeNet-5") {
  const json model = shipped_model("lenet5.json")["model"];
  CHECK("\n" + text(summarize(build_model(model, {.inputs = {kDigits}}))) == R"(
layer         type          output  parameters  multiply-adds   sees
image         input u8     1x28x28                                 -
conv2d_1      conv2d       6x28x28         156        117,600    5x5
tanh_1        tanh         6x28x28                               5x5
avg_pool2d_1  avg_pool2d   6x14x14                               6x6
conv2d_2      conv2d      16x10x10       2,416        240,000  14x14
tanh_2        tanh        16x10x10                             14x14
avg_pool2d_2  avg_pool2d    16x5x5                             16x16
flatten_1     flatten          400                             16x16
dense_1       dense            120      48,120         48,000    all
tanh_3        tanh             120                               all
dense_2       dense             84      10,164         10,080    all
tanh_4        tanh              84                               all
logits        dense             10         850            840    all
total                                   61,706        416,520
trainable 61,706, frozen 0, running statistics 0; multiply-adds for one sample
)");
}

TEST_CASE("receptive fields of stacked windows") {
  const Model m = build_model(shipped_model("vgg16_bn.json")["model"], {});
  for (const LayerInfo& l : m.layers)
    if (l.name == "stage_5.max_pool2d_1") CHECK(l.receptive_field[0] == 212);
  const Model r = build_model(shipped_model("resnet50.json")["model"], {});
  CHECK(r.layers.back().receptive_field[0] == 0);
}

TEST_CASE("a transposed convolution undoes the extents of a convolution, and sees what its window reaches") {
  const auto build = [](const std::string& layers) {
    return build_model(json::parse(R"({"inputs": {"x": [2, 16, 12]}, "layers": [)" + layers + "]}"), {});
  };
  const auto extent = [&](const std::string& attributes) -> std::string {
    try {
      const Model m = build(R"({"type": "conv_transpose2d", "filters": 4, )" + attributes + "}");
      return m.graph.type(m.graph.output("output")).shape.text();
    } catch (const Error& e) { return e.pointer + ": " + e.what(); }
  };
  CHECK(extent(R"("kernel": 2, "stride": 2)") == "1,4,32,24");
  CHECK(extent(R"("kernel": 3, "stride": 2, "padding": "same")") == "1,4,31,23");
  CHECK(extent(R"("kernel": 3, "stride": 2, "padding": "same", "output_padding": [1, 0])") == "1,4,32,23");
  CHECK(extent(R"("kernel": 5, "stride": 2, "padding": "same_upper")") == "1,4,32,24");
  CHECK(
      extent(R"("kernel": 4, "stride": [1, 3], "padding": [1, 2, 0, 0], "dilation": [1, 2], "groups": 2)") ==
      "1,4,18,38");
  CHECK(extent(R"("kernel": 2, "stride": 2, "output_padding": 2)") ==
        "/model/layers/0/output_padding: layer 'conv_transpose2d_1': 2 is not less than the stride 2");
  CHECK(
      extent(R"("kernel": 2, "padding": 9)") ==
      "/model/layers/0: layer 'conv_transpose2d_1': conv_transpose2d: pads cut 18 off a result of height 17");
  CHECK(extent(R"("kernel": 2, "groups": 4)") ==
        "/model/layers/0/groups: layer 'conv_transpose2d_1': 2 channels and 4 filters cannot both be split "
        "into 4 groups");
  CHECK(extent(R"("kernel": 2, "output_paddin": 1)").find("unknown key 'output_paddin'") !=
        std::string::npos);
  const Model m = build(R"({"type": "max_pool2d", "kernel": 2}, {"type": "max_pool2d", "kernel": 2},
      {"type": "conv_transpose2d", "filters": 4, "kernel": 4, "stride": 2, "padding": 1},
      {"type": "conv2d", "filters": 1, "kernel": 3})");
  CHECK(m.layers[2].receptive_field[0] == 8);   // two of the pooled pixels, 4 pixels each
  CHECK(m.layers[3].receptive_field[0] == 12);  // three, 2 pixels apart
  const Model u = build(
      R"({"type": "max_pool2d", "kernel": 4}, {"type": "upsample2d", "scale": [2, 4], "mode": "bilinear"},
      {"type": "conv2d", "filters": 1, "kernel": 3})");
  CHECK(u.graph.type(u.graph.output("output")).shape.text() == "1,1,6,10");
  CHECK(u.layers[2].receptive_field[0] == 12);  // 8, and twice a jump of 2
  CHECK(u.layers[2].receptive_field[1] == 10);  // 8, and twice a jump of 1
  CHECK(m.layers[2].multiply_adds == 4 * 3 * 2 * 4 * 16);
}

TEST_CASE("batch norm keeps running statistics while training and uses them otherwise") {
  const json model = json::parse(
      R"({"inputs": {"image": [3, 8, 8]}, "layers": ["batch_norm", {"type": "batch_norm", "freeze": true}]})");
  const Model train = build_model(model, {.batch = 4});
  CHECK(train.graph.updates.size() == 2);
  CHECK(train.graph.nodes[0].op->name == "batch_norm");
  CHECK(train.graph.nodes[1].op->name == "batch_norm_inference");
  CHECK(train.parameters[0].name == "batch_norm_1.scale");
  CHECK_FALSE(train.parameters[0].decay);
  CHECK(train.states[1].name == "batch_norm_1.running_var");
  const auto values = initial_values(train, 0);
  CHECK(values.at("batch_norm_1.scale").data<float>()[0] == 1);
  CHECK(values.at("batch_norm_1.running_var").data<float>()[2] == 1);
  const Model infer = build_model(model, {.training = false});
  CHECK(infer.graph.updates.empty());
}

TEST_CASE("dropout takes the step while training and is nothing otherwise") {
  const json model = json::parse(
      R"({"inputs": {"x": [8]}, "layers": [{"type": "dropout", "rate": 0.5}, {"type": "dropout", "rate": 0.5}]})");
  const Model train = build_model(model, {});
  CHECK(train.graph.nodes.size() == 2);
  CHECK(train.graph.type(train.graph.find("step")).text() == "i64[]");
  CHECK(build_model(model, {.training = false}).graph.nodes.empty());
}

TEST_CASE("bytes are scaled, or standardised with the data set's constants, by the first node") {
  const json model = json::parse(R"({"inputs": {"x": null}, "layers": ["relu"]})");
  const InputInfo bytes{"x", {DType::u8, {3, 4, 4}}};
  const Model plain = build_model(model, {.inputs = {bytes}});
  CHECK(plain.graph.nodes[0].op->name == "normalize");
  CHECK(plain.graph.constants.at(plain.graph.find("x.scale")).data<float>()[0] == 1.0f / 255);
  BuildOptions o{.inputs = {bytes}};
  o.normalization["x"] = {{1, 2, 3}, {4, 5, 0}};
  const Model fitted = build_model(model, o);
  const auto scale = fitted.graph.constants.at(fitted.graph.find("x.scale"));
  CHECK(scale.data<float>()[0] == 0.25f);
  CHECK(scale.data<float>()[2] == 1);
  CHECK(fitted.graph.type(fitted.graph.output("output")).text() == "f32[1,3,4,4]");
  o.normalization["x"] = {{1, 2}, {4, 5}};
  CHECK_THROWS_AS(build_model(model, o), Error);
}

TEST_CASE("padding rules") {
  const auto extent = [](const json& padding, int64_t kernel, int64_t stride,
                         int64_t dilation) -> std::string {
    const json model{{"inputs", {{"x", {1, 11, 12}}}},
                     {"layers",
                      {{{"type", "conv2d"},
                        {"filters", 1},
                        {"kernel", kernel},
                        {"stride", stride},
                        {"dilation", dilation},
                        {"padding", padding}}}}};
    try {
      const Model m = build_model(model, {});
      return m.graph.type(m.graph.output("output")).shape.text();
    } catch (const Error& e) { return e.pointer + ": " + e.what(); }
  };
  CHECK(extent("valid", 3, 1, 1) == "1,1,9,10");
  CHECK(extent("same", 3, 1, 1) == "1,1,11,12");
  CHECK(extent("same", 3, 2, 1) == "1,1,6,6");
  CHECK(extent("same", 3, 1, 2) == "1,1,11,12");
  CHECK(extent("same", 2, 1, 1)
            .starts_with("/model/layers/0/padding: layer 'conv2d_1': \"same\" cannot pad both sides"));
  CHECK(extent("same_upper", 2, 1, 1) == "1,1,11,12");
  CHECK(extent("same_upper", 4, 2, 1) == "1,1,6,6");
  CHECK(extent(1, 3, 1, 1) == "1,1,11,12");
  CHECK(extent({2, 1}, 3, 1, 1) == "1,1,13,12");
  CHECK(extent({0, 1, 2, 3}, 3, 1, 1) == "1,1,11,14");
  CHECK(extent("sane", 3, 1, 1)
            .starts_with("/model/layers/0/padding: layer 'conv2d_1': 'sane' is no padding, expected"));
  CHECK(extent({1, 2, 3}, 3, 1, 1).starts_with("/model/layers/0/padding: layer 'conv2d_1': has 3 numbers"));
  CHECK(extent({1, -2}, 3, 1, 1)
            .starts_with("/model/layers/0/padding/1: layer 'conv2d_1': -2 is out of range"));
  CHECK(extent(nullptr, 3, 1, 1).starts_with("/model/layers/0/padding: layer 'conv2d_1': expected"));
}
