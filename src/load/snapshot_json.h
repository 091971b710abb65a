// Order books as the HTTP API takes them.
#pragma once

#include <string>

#include "punctual/market.h"

namespace punctual::load {

// Appends {"seq":1,"time_ns":..,"receive_time_ns":..,"asks":[[price,size],...],"bids":[...]}, best levels first; times
// that are 0 (not known) are left out. Numbers are in their shortest form that reads back as the same double.
void AppendSnapshotJson(std::string& text, const BookSnapshot& book);

// Appends `text` as a JSON string, with its quotes.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace punctual::load
