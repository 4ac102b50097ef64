//! Name resolution, as a seam: tests answer for names without asking any network.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Concurrent lookups. Each holds a thread until the system answers, even if the attempt that asked has long given
/// up.
const LOOKUPS_MAX: usize = 128;

/// The addresses of a name, or why there are none.
pub type Resolution = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves host names.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, which is a name and not an address.
    fn resolve(&self, host: &str) -> Resolution;
}

/// Asks the operating system. Each name is looked up once at a time, and the number of lookups is bounded. Nothing is cached.
pub struct SystemResolver(Arc<Lookups>);

impl Default for SystemResolver {
    fn default() -> Self {
        let system = |host: &str| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        Self::asking(LOOKUPS_MAX, system)
    }
}

impl SystemResolver {
    fn asking(at_once_max: usize, ask: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Lookups { ask: Box::new(ask), running: Mutex::default(), room: Arc::new(Semaphore::new(at_once_max)) }))
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Resolution {
        Box::pin(Arc::clone(&self.0).look_up(host.to_owned()))
    }
}

/// Empty until there is an answer.
type Answer = Option<Result<Vec<IpAddr>, (io::ErrorKind, String)>>;

type Ask = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

struct Lookups {
    ask: Box<Ask>,
    running: Mutex<HashMap<String, watch::Receiver<Answer>>>,
    room: Arc<Semaphore>,
}

impl Lookups {
    async fn look_up(self: Arc<Self>, host: String) -> io::Result<Vec<IpAddr>> {
        let running = self.running.lock().get(&host).cloned();
        let mut answer = if let Some(running) = running {
            running
        } else {
            let room = Arc::clone(&self.room).acquire_owned().await.map_err(io::Error::other)?;
            self.join_or_start(host, room)
        };
        let answered = answer.wait_for(Option::is_some).await.map_err(io::Error::other)?;
        match &*answered {
            Some(Ok(addresses)) => Ok(addresses.clone()),
            Some(Err((kind, text))) => Err(io::Error::new(*kind, text.as_str())),
            None => Err(io::ErrorKind::Other.into()),
        }
    }

    /// Another attempt may have started the same lookup while this one waited.
    fn join_or_start(self: &Arc<Self>, host: String, room: OwnedSemaphorePermit) -> watch::Receiver<Answer> {
        let mut running = self.running.lock();
        if let Some(running) = running.get(&host) {
            return running.clone();
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(host.clone(), receiver.clone());
        let lookup = Lookup { lookups: Arc::clone(self), host, _room: room };
        tokio::task::spawn_blocking(move || {
            let answer = (lookup.lookups.ask)(&lookup.host).map_err(|error| (error.kind(), error.to_string()));
            drop(lookup); // first: whoever asks after the answer asks anew
            sender.send_replace(Some(answer));
        });
        receiver
    }
}

/// A running lookup. Its place is freed however it ends.
struct Lookup {
    lookups: Arc<Lookups>,
    host: String,
    _room: OwnedSemaphorePermit,
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.lookups.running.lock().remove(&self.host);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use bellwire_testkit::waiting::PATIENCE;

    use super::*;

    /// A system that reports the names it is asked for, and answers when told to.
    fn slow_system(at_once_max: usize) -> (SystemResolver, mpsc::Receiver<String>, mpsc::Sender<()>) {
        let (asked, asking) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let resolver = SystemResolver::asking(at_once_max, move |host| {
            asked.send(host.to_owned()).unwrap();
            released.lock().recv().unwrap();
            if host == "nowhere.example" { Err(io::ErrorKind::NotFound.into()) } else { Ok(vec!["8.8.8.8".parse().unwrap()]) }
        });
        (resolver, asking, release)
    }

    async fn answer(resolution: Resolution) -> io::Result<Vec<IpAddr>> {
        tokio::time::timeout(PATIENCE, resolution).await.unwrap()
    }

    #[tokio::test]
    async fn many_who_ask_for_one_name_at_once_are_one_lookup() {
        let (resolver, asking, release) = slow_system(8);
        let mut waiting = tokio::task::JoinSet::new();
        let asks = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let (asks, resolution) = (Arc::clone(&asks), resolver.resolve("a.example"));
            waiting.spawn(async move {
                asks.fetch_add(1, Ordering::SeqCst);
                resolution.await // joins, or starts, before it first waits
            });
        }
        while asks.load(Ordering::SeqCst) < 50 {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        while let Some(found) = tokio::time::timeout(PATIENCE, waiting.join_next()).await.unwrap() {
            assert_eq!(found.unwrap().unwrap().len(), 1);
        }
        assert_eq!(asking.try_iter().collect::<Vec<_>>(), ["a.example"]);
        release.send(()).unwrap();
        answer(resolver.resolve("a.example")).await.unwrap();
        assert_eq!(asking.try_iter().count(), 1, "nothing is remembered: who asks later asks anew");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lookups_that_hang_take_a_bounded_number_of_threads() {
        let (resolver, asking, release) = slow_system(2);
        let mut waiting = tokio::task::JoinSet::new();
        for host in 0..10 {
            waiting.spawn(resolver.resolve(&format!("{host}.example")));
        }
        let mut asked = 0;
        for _ in 0..10 {
            asking.recv_timeout(PATIENCE).unwrap();
            asked += 1;
            assert!(resolver.0.running.lock().len() <= 2, "after {asked}");
            if asked >= 2 {
                release.send(()).unwrap();
                tokio::time::timeout(PATIENCE, waiting.join_next()).await.unwrap().unwrap().unwrap().unwrap();
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_attempt_that_gives_up_leaves_no_place_taken() {
        let (resolver, asking, release) = slow_system(1);
        let given_up = tokio::time::timeout(Duration::from_millis(10), resolver.resolve("slow.example")).await;
        assert!(given_up.is_err());
        asking.recv_timeout(PATIENCE).unwrap();
        let waits = resolver.resolve("other.example");
        release.send(()).unwrap();
        release.send(()).unwrap();
        answer(waits).await.unwrap();
        assert!(resolver.0.running.lock().is_empty());
        assert_eq!(resolver.0.room.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_name_that_is_not_found_says_so_to_everybody() {
        let (resolver, _asking, release) = slow_system(1);
        release.send(()).unwrap();
        assert_eq!(answer(resolver.resolve("nowhere.example")).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
