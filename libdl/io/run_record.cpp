#include "io/run_record.h"

#include <ctime>

#include <pwd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io/output_file.h"

namespace dl {

void write_run_record(const std::string& output, const RunRecord& record) {
  struct stat st {};
  if (output == "-" || ::stat(output.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return;
  struct utsname host {};
  ::uname(&host);
  struct passwd entry {
  }, *user = nullptr;
  char buffer[4096];
  ::getpwuid_r(::getuid(), &entry, buffer, sizeof buffer, &user);
  const auto at = static_cast<time_t>(record.started);
  struct tm utc {};
  ::gmtime_r(&at, &utc);
  char when[32];
  std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
  json j{{"argv", record.argv},
         {"version", record.version},
         {"started", when},
         {"seconds", record.seconds},
         {"host", host.nodename},
         {"system", std::string(host.sysname) + " " + host.release},
         {"user", user ? user->pw_name : ""}};
  j.update(record.more);
  write_text(output + ".run.json", j.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace dl
