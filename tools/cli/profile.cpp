#include "cli/profile.h"

#include "io/output_file.h"

namespace dl::cli {

Option profile_option() {
  return {
      .name = "--profile",
      .arg = "FILE|-",
      .doc =
          "Writes the time of every node beside what the machine can do: a table, figures where FILE ends in "
          ".json, a trace for Perfetto where it ends in .trace; - : the table on standard error. Repeatable.",
      .take = Take::many};
}

void write_profile(Invocation& in, const Profile& profile) {
  for (const std::string& path : in.all("--profile")) {
    if (path == "-")
      in.log.info("where the time went\n" + profile.table());
    else
      write_text(path, profile.as(path));
  }
}

}  // namespace dl::cli
