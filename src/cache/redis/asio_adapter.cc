#include "cache/redis/asio_adapter.h"

namespace punctual::redis {

AsioAdapter::AsioAdapter(boost::asio::io_context& io, valkeyAsyncContext& context)
    : descriptor_(io, context.c.fd), fd_(context.c.fd) {
  context.ev.data = this;
  context.ev.addRead = [](void* self) { static_cast<AsioAdapter*>(self)->wants_read_ = true; };
  context.ev.delRead = [](void* self) { static_cast<AsioAdapter*>(self)->wants_read_ = false; };
  context.ev.addWrite = [](void* self) { static_cast<AsioAdapter*>(self)->wants_write_ = true; };
  context.ev.delWrite = [](void* self) { static_cast<AsioAdapter*>(self)->wants_write_ = false; };
  context.ev.cleanup = [](void* self) {
    auto* adapter = static_cast<AsioAdapter*>(self);
    adapter->wants_read_ = adapter->wants_write_ = false;
  };
}

// Once it waited for a write, Asio's descriptor is told of every possible write, that is after each read: a system call
// for nothing. A new registration does not know of it.
void AsioAdapter::ForgetWrites() {
  descriptor_.release();
  boost::system::error_code failed;
  descriptor_.assign(fd_, failed);
  waited_for_write_ = false;
}

void AsioAdapter::Wait(const std::shared_ptr<SocketEvents>& owner) {
  if (waited_for_write_ && !wants_write_ && !waiting_->write && !waiting_->read) ForgetWrites();
  if (wants_read_ && !waiting_->read) {
    waiting_->read = true;
    descriptor_.async_wait(Descriptor::wait_read, [owner, waiting = waiting_](const boost::system::error_code& error) {
      waiting->read = false;
      if (!error) owner->OnReadable();
    });
  }
  if (wants_write_ && !waiting_->write) {
    waiting_->write = waited_for_write_ = true;
    descriptor_.async_wait(Descriptor::wait_write, [owner, waiting = waiting_](const boost::system::error_code& error) {
      waiting->write = false;
      if (!error) owner->OnWritable();
    });
  }
}

void AsioAdapter::Detach() { descriptor_.release(); }

}  // namespace punctual::redis
