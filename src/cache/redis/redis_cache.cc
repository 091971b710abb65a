#include "cache/redis/redis_cache.h"

#include "cache/redis/client.h"

namespace punctual {

Result<std::unique_ptr<RedisCache>> RedisCache::Open(const RedisOptions& options) {
  PUNCTUAL_TRY(Validate(options));
  PUNCTUAL_ASSIGN(auto client, redis::Client::Start(options));
  return std::unique_ptr<RedisCache>(new RedisCache(std::move(client)));
}

RedisCache::RedisCache(std::unique_ptr<redis::Client> client) : client_(std::move(client)) {}
RedisCache::~RedisCache() = default;
void RedisCache::Stop() { client_->Stop(); }

void RedisCache::Get(const Digest& key, const Subject& subject, TimePoint give_up_at, GetCallback callback) {
  client_->Get(redis::MakeKey(client_->options().prefix, key, subject), give_up_at, std::move(callback));
}
void RedisCache::Put(const Digest& key, const Subject& subject, Duration ttl, std::string record) {
  client_->Write(redis::MakeKey(client_->options().prefix, key, subject), ttl, std::move(record));
}
void RedisCache::Remove(const Digest& key, const Subject& subject) {
  client_->Write(redis::MakeKey(client_->options().prefix, key, subject), Duration::zero(), {});
}
void RedisCache::Purge(const SubjectFilter& filter, Duration longest_ttl, PurgeCallback done) {
  client_->Purge(redis::MatchPattern(client_->options().prefix, filter), longest_ttl, std::move(done));
}
Duration RedisCache::expected() const { return client_->expected(); }
bool RedisCache::available() const { return client_->available(); }
RedisStats RedisCache::Stats() const { return client_->Stats(); }

}  // namespace punctual
