// A TOML document behind a C interface. The parser is toml++ (https://marzer.github.io/tomlplusplus/), of Debian's
// libtomlplusplus-dev; what stands here only lists the entries of the top-level table with the lines they stand on.
#ifndef C_TOML_PLUS_PLUS_H
#define C_TOML_PLUS_PLUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vd_toml_kind {
  VD_TOML_TABLE,
  VD_TOML_ARRAY,
  VD_TOML_STRING,
  VD_TOML_INTEGER,
  VD_TOML_FLOAT,
  VD_TOML_BOOLEAN,
  VD_TOML_TIME,
};

/// A value. `text` is not ended by a NUL and lives as long as the document.
struct vd_toml_value {
  enum vd_toml_kind kind;
  const char *text;
  size_t length;
  int64_t integer;
  bool boolean;
};

/// An entry of the top-level table, in the order of the file.
struct vd_toml_entry {
  const char *key;
  size_t key_length;
  uint32_t line;
  struct vd_toml_value value;
  /// Of an array: how many elements.
  size_t count;
};

/// Why a text is not TOML.
struct vd_toml_error {
  uint32_t line;
  char description[240];
};

struct vd_toml_document;

/// Parses `length` bytes at `text`. NULL, and `error` filled, if they are not TOML or memory is short.
struct vd_toml_document *vd_toml_parse(const char *text, size_t length, struct vd_toml_error *error);
void vd_toml_free(struct vd_toml_document *document);
size_t vd_toml_count(const struct vd_toml_document *document);
/// `index` is below `vd_toml_count`.
struct vd_toml_entry vd_toml_entry_at(const struct vd_toml_document *document, size_t index);
/// Element `element` (below the entry's `count`) of the array at `index`.
struct vd_toml_value vd_toml_element(const struct vd_toml_document *document, size_t index, size_t element);
/// How many entries the table at `element` of the array at `index` has; 0 if it is no table.
size_t vd_toml_member_count(const struct vd_toml_document *document, size_t index, size_t element);
/// Entry `member` (below `vd_toml_member_count`) of that table, by their names.
struct vd_toml_entry vd_toml_member_at(const struct vd_toml_document *document, size_t index, size_t element, size_t member);
/// Element `place` (below the member's `count`) of the array that is `member`.
struct vd_toml_value vd_toml_member_element(const struct vd_toml_document *document, size_t index, size_t element,
                                            size_t member, size_t place);

#ifdef __cplusplus
}
#endif
#endif
