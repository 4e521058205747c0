// The top-level table of a TOML document, in the order of the file. Nothing here throws: toml++ is used without
// exceptions, and its limit of nested values (256) bounds the depth.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// The parser asserts that a key begins like one before it looks and refuses what does not ("[= "); with NDEBUG it would
// have the compiler assume so. Neither: the look decides.
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <new>
#include <vector>

#include "CTomlPlusPlus.h"

struct vd_toml_document {
  struct entry {
    const toml::key *key;
    const toml::node *node;
  };
  toml::table table;
  std::vector<entry> entries;
};

static vd_toml_value value(const toml::node &node) {
  vd_toml_value result{};
  switch (node.type()) {
    case toml::node_type::table:
      result.kind = VD_TOML_TABLE;
      break;
    case toml::node_type::array:
      result.kind = VD_TOML_ARRAY;
      break;
    case toml::node_type::string:
      result.kind = VD_TOML_STRING;
      result.text = node.as_string()->get().data();
      result.length = node.as_string()->get().size();
      break;
    case toml::node_type::integer:
      result.kind = VD_TOML_INTEGER;
      result.integer = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      result.kind = VD_TOML_FLOAT;
      break;
    case toml::node_type::boolean:
      result.kind = VD_TOML_BOOLEAN;
      result.boolean = node.as_boolean()->get();
      break;
    default:
      result.kind = VD_TOML_TIME;
      break;
  }
  return result;
}

vd_toml_document *vd_toml_parse(const char *text, size_t length, vd_toml_error *error) {
  toml::parse_result parsed = toml::parse(std::string_view{text, length});
  if (!parsed) {
    const toml::parse_error &failure = parsed.error();
    error->line = failure.source().begin.line;
    std::snprintf(error->description, sizeof error->description, "%.*s", (int)failure.description().size(),
                  failure.description().data());
    return nullptr;
  }
  auto *document = new (std::nothrow) vd_toml_document{std::move(parsed).table(), {}};
  if (document == nullptr) {
    error->line = 1;
    std::snprintf(error->description, sizeof error->description, "out of memory");
    return nullptr;
  }
  for (auto &&[key, node] : document->table) document->entries.push_back({&key, &node});
  // The table is ordered by name. Keys of one line keep that order.
  std::stable_sort(document->entries.begin(), document->entries.end(),
                   [](const auto &left, const auto &right) { return left.key->source().begin < right.key->source().begin; });
  return document;
}

void vd_toml_free(vd_toml_document *document) { delete document; }

size_t vd_toml_count(const vd_toml_document *document) { return document->entries.size(); }

vd_toml_entry vd_toml_entry_at(const vd_toml_document *document, size_t index) {
  const auto &entry = document->entries[index];
  vd_toml_entry result{};
  result.key = entry.key->data();
  result.key_length = entry.key->length();
  result.line = entry.key->source().begin.line;
  result.value = value(*entry.node);
  if (const toml::array *array = entry.node->as_array()) result.count = array->size();
  return result;
}

/// The table at `element` of the array at `index`; NULL if it is none.
static const toml::table *member_table(const vd_toml_document *document, size_t index, size_t element) {
  const toml::array *array = document->entries[index].node->as_array();
  const toml::node *node = array == nullptr ? nullptr : array->get(element);
  return node == nullptr ? nullptr : node->as_table();
}

size_t vd_toml_member_count(const vd_toml_document *document, size_t index, size_t element) {
  const toml::table *table = member_table(document, index, element);
  return table == nullptr ? 0 : table->size();
}

vd_toml_entry vd_toml_member_at(const vd_toml_document *document, size_t index, size_t element, size_t member) {
  const auto found = std::next(member_table(document, index, element)->begin(), (std::ptrdiff_t)member);
  vd_toml_entry result{};
  result.key = found->first.data();
  result.key_length = found->first.length();
  result.line = found->first.source().begin.line;
  result.value = value(found->second);
  if (const toml::array *array = found->second.as_array()) result.count = array->size();
  return result;
}

vd_toml_value vd_toml_member_element(const vd_toml_document *document, size_t index, size_t element, size_t member,
                                     size_t place) {
  const auto found = std::next(member_table(document, index, element)->begin(), (std::ptrdiff_t)member);
  return value(*found->second.as_array()->get(place));
}

vd_toml_value vd_toml_element(const vd_toml_document *document, size_t index, size_t element) {
  return value(*document->entries[index].node->as_array()->get(element));
}
