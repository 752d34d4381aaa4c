#include "io/csv.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/str.h"
#include "support/files.h"

using namespace dl;
using namespace dl::testing;

namespace {

// Records joined by "/", fields by "|", each record led by its line.
std::string records(const TempDir& dir, const std::string& text, char separator = 0) {
  CsvReader in(dir.write("t.csv", text), separator);
  std::vector<std::string_view> fields;
  std::string out;
  while (in.next(fields)) {
    out += str(in.line(), ':');
    for (size_t i = 0; i < fields.size(); ++i) out += str(i ? "|" : "", fields[i]);
    out += '/';
  }
  return out;
}

}  // namespace

TEST_CASE("quoted fields hold separators, quotes and line ends; lines are counted through them") {
  const TempDir dir;
  CHECK(records(dir, "a,\"b,\"\"c\"\"\",d\r\n\"x\ny\",,z\nlast,1,2") ==
        "1:a|b,\"c\"|d/2:x\ny||z/4:last|1|2/");
}

TEST_CASE("a byte order mark, blanks around fields and empty lines are not data") {
  const TempDir dir;
  CHECK(records(dir,
                "\xEF\xBB\xBF"
                "a , b\n\n\r\n c,d\n") == "1:a|b/4:c|d/");
  CHECK(records(dir, "") == "");
  CHECK(records(dir, ",\n") == "1:|/");
}

TEST_CASE("the separator is found from the text") {
  const TempDir dir;
  CHECK(records(dir, "a;b,c;d\n1;2,5;3\n") == "1:a|b,c|d/2:1|2,5|3/");
  CHECK(records(dir, "a\tb\n1\t2\n") == "1:a|b/2:1|2/");
  CHECK(records(dir, "a|b|c\n1|2|3\n", '|') == "1:a|b|c/2:1|2|3/");
  CHECK(records(dir, "one\ntwo\n") == "1:one/2:two/");
}

TEST_CASE("records longer than a block and compressed files read the same") {
  const TempDir dir;
  const std::string big(700'000, 'x');
  CHECK(records(dir, big + ",1\n" + big + ",2\n") == "1:" + big + "|1/2:" + big + "|2/");
  std::string rows;
  for (int i = 0; i < 100'000; ++i) rows += str(i, ",", 2 * i, "\n");
  CsvReader in(dir.write("t.csv.gz", gzip(rows)));
  std::vector<std::string_view> fields;
  for (int pass = 0; pass < 2; ++pass, in.rewind()) {
    int n = 0;
    while (in.next(fields)) n += fields.size() == 2 && fields[1] == std::to_string(2 * n);
    CHECK(n == 100'000);
  }
}

TEST_CASE("text that is not a table is named with its line") {
  const TempDir dir;
  const auto message = [&](const std::string& text) {
    const std::string m = error_of([&] { records(dir, text); });
    const size_t at = m.rfind("t.csv:");
    return at == m.npos ? m : m.substr(at);
  };
  CHECK(message("a,b\n\"c,d\n") == "t.csv:2: a quote is not closed before the end of the file");
  CHECK(message("a,b\n\"c\"d,e\n") ==
        "t.csv:2: field 1 goes on after its closing quote, expected a separator");
  CHECK(contains(message(std::string("a,b\0c\n", 6)), "a zero byte follows, expected text"));
  CHECK(contains(message("\"" + std::string(17u << 20, '\n')), "longer than 16 MiB"));
}

TEST_CASE("numbers are whole texts") {
  double v = 0;
  CHECK((read_number("+1.5e3", v) && v == 1500));
  CHECK((read_number(".28", v) && v == 0.28));
  CHECK((read_number("nan", v) && std::isnan(v)));
  CHECK((read_number("1e999", v) && std::isinf(v)));
  CHECK((read_number("1e-999", v) && v == 0));
  for (const char* text : {"", "1a", "1 2", "0x10", "+-1", "-"}) CHECK_FALSE(read_number(text, v));
}
