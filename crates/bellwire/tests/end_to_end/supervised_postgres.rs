//! The watchdog is fed by what works, and not by a timer: a writer that hangs starves it.

use std::fs;

use bellwire_testkit::postgres::Cluster;
use bellwire_testkit::proxy::{Cut, Proxy};

use crate::harness::{Home, LOCAL, until};
use crate::supervised::Told;

#[test]
fn while_the_writer_hangs_it_does_not_say_that_it_lives() {
    let cluster = Cluster::shared();
    let proxy = Proxy::start(cluster);
    let home = Home::over(&proxy.url(&cluster.database()));
    let (told, environment) = Told::listen(&home);
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let _server = home.start_in(&environment, &LOCAL);
    assert_eq!(told.next(), "READY=1");
    assert_eq!(told.next(), "WATCHDOG=1");
    proxy.cut(Cut::Silent);
    let log = || fs::read_to_string(home.path("log")).unwrap();
    until("it notices that its writer hangs", || log().contains("the store's writer does not answer").then_some(()));
    told.drain();
    proxy.heal();
    assert_eq!(told.next(), "WATCHDOG=1", "it lives again");
}
