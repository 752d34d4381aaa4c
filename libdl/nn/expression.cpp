#include "nn/expression.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/str.h"

namespace dl {
namespace {

constexpr int kMaxDepth = 64;        // of parentheses, signs and choices
constexpr size_t kMaxLength = 1000;  // characters

bool is_word_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string_view kind_of(const json& v) {
  if (v.is_string()) return "a name";
  if (v.is_boolean()) return "true or false";
  if (v.is_array()) return "a list";
  if (v.is_object()) return "an object";
  if (v.is_null()) return "null";
  return "a number";
}

std::string_view tidy(std::string_view text) { return text.substr(0, kMaxLength); }

class Evaluator {
 public:
  Evaluator(std::string_view text, const Environment& env, const std::string& pointer)
      : text_(tidy(text)), env_(env), pointer_(pointer) {
    if (text.size() > kMaxLength)
      fail(kMaxLength, str("expression of more than ", kMaxLength, " characters"));
  }

  Bound whole() {
    Bound v = choice();
    if (skip_space(); at_ < text_.size()) fail(at_, str("unexpected '", text_.substr(at_, 1), "'"));
    return v;
  }

 private:
  [[noreturn]] void fail(size_t at, const std::string& message, const std::string& hint = {}) const {
    const std::string shown(text_.substr(0, 200));
    throw Error(Exit::config, pointer_, str(message, ", at column ", at + 1, " of \"", shown, "\""), hint);
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  void need(std::string_view token, std::string_view after) {
    if (take(token)) return;
    fail(at_, at_ < text_.size()
                  ? str("expected '", token, "' after ", after, ", got '", text_.substr(at_, 1), "'")
                  : str("expected '", token, "' after ", after));
  }

  Bound plain(json v) const { return {std::move(v), env_.scope(), 1}; }

  struct Level {  // bounds the depth of recursion
    explicit Level(Evaluator& e) : e(e) {
      if (++e.depth_ > kMaxDepth) e.fail(e.at_, str("more than ", kMaxDepth, " levels of nesting"));
    }
    ~Level() { --e.depth_; }
    Evaluator& e;
  };

  Bound choice() {
    const Level level(*this);
    skip_space();
    const size_t start = at_;
    Bound condition = compare();
    if (!take("?")) return condition;
    const bool live = live_, yes = live && truth(condition.value, start);
    live_ = live && yes;
    Bound first = choice();
    need(":", "the first branch of '?'");
    live_ = live && !yes;
    Bound second = choice();
    live_ = live;
    return yes ? first : second;
  }

  bool truth(const json& v, size_t at) const {
    if (v.is_boolean()) return v.get<bool>();
    if (v.is_number()) return v.get<double>() != 0;
    fail(at, str("a condition is true, false or a number, not ", kind_of(v)));
  }

  Bound compare() {
    Bound a = sum();
    skip_space();
    const size_t at = at_;
    for (const std::string_view op : {"<=", ">=", "==", "!=", "<", ">"}) {
      if (!take(op)) continue;
      const Bound b = sum();
      return live_ ? plain(compared(op, a.value, b.value, at)) : plain(nullptr);
    }
    return a;
  }

  bool compared(std::string_view op, const json& a, const json& b, size_t at) const {
    if (op == "==") return a == b;
    if (op == "!=") return a != b;
    if (!a.is_number() || !b.is_number())
      fail(at, str("'", op, "' compares numbers, not ", kind_of(a.is_number() ? b : a)));
    if (op == "<") return a < b;
    if (op == ">") return a > b;
    return op == "<=" ? a <= b : a >= b;
  }

  Bound sum() {
    Bound a = product();
    for (;;) {
      skip_space();
      const size_t at = at_;
      if (take("+"))
        a = arithmetic('+', a, product(), at);
      else if (take("-"))
        a = arithmetic('-', a, product(), at);
      else
        return a;
    }
  }

  Bound product() {
    Bound a = sign();
    for (;;) {
      skip_space();
      const size_t at = at_;
      if (take("//"))
        a = arithmetic('f', a, sign(), at);
      else if (take("*"))
        a = arithmetic('*', a, sign(), at);
      else if (take("/"))
        a = arithmetic('/', a, sign(), at);
      else if (take("%"))
        a = arithmetic('%', a, sign(), at);
      else
        return a;
    }
  }

  Bound sign() {
    const Level level(*this);
    skip_space();
    const size_t at = at_;
    if (take("-")) return arithmetic('-', plain(0), sign(), at);
    if (take("+")) return arithmetic('+', plain(0), sign(), at);
    return item();
  }

  Bound arithmetic(char op, const Bound& a, const Bound& b, size_t at) const {
    if (!live_) return plain(nullptr);
    for (const json* v : {&a.value, &b.value})
      if (!v->is_number())
        fail(at,
             str("'", op == 'f' ? "//" : std::string(1, op), "' needs numbers, got ", kind_of(*v),
                 v->is_string() ? " '" + v->get<std::string>() + "'" : std::string()),
             v->is_string() ? "parameters are written with $" : "");
    const bool integers = a.value.is_number_integer() && b.value.is_number_integer();
    if (integers) return plain(on_integers(op, a.value.get<int64_t>(), b.value.get<int64_t>(), at));
    return plain(on_reals(op, a.value.get<double>(), b.value.get<double>(), at));
  }

  json on_integers(char op, int64_t a, int64_t b, size_t at) const {
    int64_t r = 0;
    bool over = false;
    switch (op) {
      case '+':
        over = __builtin_add_overflow(a, b, &r);
        break;
      case '-':
        over = __builtin_sub_overflow(a, b, &r);
        break;
      case '*':
        over = __builtin_mul_overflow(a, b, &r);
        break;
      default:
        if (b == 0) fail(at, "division by zero");
        if (b == -1) {  // the one quotient that may not fit
          over = __builtin_sub_overflow(int64_t{0}, a, &r);
          if (op == '%') return int64_t{0};
          break;
        }
        const int64_t rest = a % b;
        if (op == '/') return rest == 0 ? json(a / b) : json(static_cast<double>(a) / static_cast<double>(b));
        const bool lower = rest != 0 && (rest < 0) != (b < 0);
        return op == 'f' ? a / b - lower : rest + (lower ? b : 0);
    }
    if (over) fail(at, "integer overflow");
    return r;
  }

  json on_reals(char op, double a, double b, size_t at) const {
    double r = 0;
    switch (op) {
      case '+':
        r = a + b;
        break;
      case '-':
        r = a - b;
        break;
      case '*':
        r = a * b;
        break;
      default:
        if (b == 0) fail(at, "division by zero");
        r = op == '/' ? a / b : op == 'f' ? std::floor(a / b) : a - b * std::floor(a / b);
    }
    if (!std::isfinite(r)) fail(at, "the result is not a finite number");
    return r;
  }

  Bound item() {
    Bound v = primary();
    for (;;) {
      skip_space();
      const size_t at = at_;
      if (!take("[")) return v;
      const Bound index = choice();
      need("]", "an index");
      if (live_) v = element(v, index.value, at);
    }
  }

  Bound element(const Bound& list, const json& index, size_t at) const {
    if (!list.value.is_array()) fail(at, str("only a list takes an index, this is ", kind_of(list.value)));
    if (!index.is_number_integer()) fail(at, str("an index is an integer, not ", kind_of(index)));
    const auto n = static_cast<int64_t>(list.value.size());
    int64_t i = index.get<int64_t>();
    if (i < -n || i >= n) fail(at, str("index ", i, " is outside a list of ", n));
    if (i < 0) i += n;
    const json& v = list.value[static_cast<size_t>(i)];
    return {v, list.scope, json_size(v)};
  }

  Bound primary() {
    skip_space();
    const size_t at = at_;
    if (at_ == text_.size()) fail(at, "expected a value");
    const char c = text_[at_];
    if (c == '$') return variable();
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '.') return literal();
    if (is_word_start(c)) return word();
    if (take("(")) {
      Bound v = choice();
      need(")", "an expression in parentheses");
      return v;
    }
    if (take("[")) {
      json list = json::array();
      int64_t size = 1;
      for (const Bound& b : arguments("]", "a list")) {
        list.push_back(b.value);
        size += b.size;
      }
      return {std::move(list), env_.scope(), size};
    }
    fail(at, str("expected a value, got '", c, "'"));
  }

  std::vector<Bound> arguments(std::string_view close, std::string_view what) {
    std::vector<Bound> all;
    if (take(close)) return all;
    do all.push_back(choice());
    while (take(","));
    need(close, what);
    return all;
  }

  std::string_view take_word() {
    const size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  Bound variable() {
    const size_t at = at_++;
    const std::string_view name = take_word();
    if (name.empty()) fail(at, "expected a name after '$'");
    if (!live_) return plain(nullptr);
    if (const Bound* v = env_.find(name)) return *v;
    const std::vector<std::string> known = env_.names(), near = closest(name, known);
    const auto dollars = [](std::vector<std::string> names) {
      for (std::string& n : names) n.insert(0, "$");
      return join(names, ", ");
    };
    fail(at, str("unknown parameter '$", name, "'"),
         !near.empty() ? "did you mean " + dollars(near) + "?" : "known here: " + dollars(known));
  }

  Bound literal() {
    const size_t at = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.' ||
                                  ((text_[at_] == '-' || text_[at_] == '+') && (text_[at_ - 1] | 32) == 'e')))
      ++at_;
    const std::string_view digits = text_.substr(at, at_ - at);
    const char *first = digits.data(), *last = first + digits.size();
    int64_t i = 0;
    if (const auto r = std::from_chars(first, last, i); r.ec == std::errc() && r.ptr == last) return plain(i);
    double d = 0;
    const auto r = std::from_chars(first, last, d);
    if (r.ec != std::errc() || r.ptr != last) fail(at, str("'", digits, "' is not a number"));
    return plain(d);
  }

  Bound word() {
    const size_t at = at_;
    std::string name(take_word());
    if (take("(")) return call(name, at);
    while (at_ + 1 < text_.size() && text_[at_] == '.' && is_word(text_[at_ + 1])) {  // stage_1.relu_2
      ++at_;
      name += '.';
      name += take_word();
    }
    if (name == "true" || name == "false") return plain(name == "true");
    return plain(name);
  }

  Bound call(const std::string& name, size_t at) {
    const std::vector<Bound> args = arguments(")", "the arguments of " + name);
    const bool pick = name == "min" || name == "max", round = name == "ceil" || name == "floor";
    if (!pick && !round) fail(at, str("unknown function '", name, "'"), "known: min, max, ceil, floor");
    if (!live_) return plain(nullptr);
    if (pick ? args.empty() : args.size() != 1)
      fail(at, str(name, " takes ", pick ? "one or more numbers" : "one number", ", got ", args.size()));
    for (const Bound& b : args)
      if (!b.value.is_number()) fail(at, str(name, " takes numbers, got ", kind_of(b.value)));
    json best = args[0].value;
    for (const Bound& b : args)
      if (pick && (name == "min" ? b.value < best : b.value > best)) best = b.value;
    if (pick || best.is_number_integer()) return plain(best);
    const double v = best.get<double>(), r = name == "ceil" ? std::ceil(v) : std::floor(v);
    if (std::fabs(r) > 9e15) fail(at, str(name, " of ", v, " does not fit an integer"));
    return plain(static_cast<int64_t>(r));
  }

  std::string_view text_;
  const Environment& env_;
  const std::string& pointer_;
  size_t at_ = 0;
  int depth_ = 0;
  bool live_ = true;  // false in the branch of "?" that is not chosen
};

}  // namespace

void Environment::set(std::string name, Bound value) {
  for (auto& [known, bound] : values_)
    if (known == name) {
      bound = std::move(value);
      return;
    }
  values_.emplace_back(std::move(name), std::move(value));
}

const Bound* Environment::find(std::string_view name) const {
  for (const auto& [known, bound] : values_)
    if (known == name) return &bound;
  return outer_ ? outer_->find(name) : nullptr;
}

std::vector<std::string> Environment::names() const {
  std::vector<std::string> all = outer_ ? outer_->names() : std::vector<std::string>();
  for (const auto& entry : values_)
    if (std::find(all.begin(), all.end(), entry.first) == all.end()) all.push_back(entry.first);
  return all;
}

Bound evaluate(std::string_view text, const Environment& env, const std::string& pointer) {
  return Evaluator(text, env, pointer).whole();
}

bool is_expression(std::string_view text) {
  if (text.find('$') != std::string_view::npos) return true;
  const size_t start = text.find_first_not_of(" (-+.");
  if (start == std::string_view::npos) return false;
  const bool number_first = std::isdigit(static_cast<unsigned char>(text[start]));
  const bool has_operator = text.find_first_of("*/%+-()<>=?", start) != std::string_view::npos;
  const bool function = text.starts_with("min(") || text.starts_with("max(") || text.starts_with("ceil(") ||
                        text.starts_with("floor(");
  if (!function && !(number_first && has_operator)) return false;
  try {
    const json v = evaluate(text, Environment(), {}).value;
    return v.is_number() || v.is_boolean();
  } catch (const Error&) {
    return false;  // an ordinary string that happens to begin with a digit
  }
}

int64_t json_size(const json& value) {
  int64_t n = 1;
  if (value.is_string()) n += static_cast<int64_t>(value.get_ref<const std::string&>().size()) / 16;
  if (value.is_structured())
    for (const json& v : value) n += json_size(v);
  return n;
}

}  // namespace dl
