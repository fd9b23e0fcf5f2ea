//! A bank account: deposits, withdrawals and interest, in cents.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use annals::{Aggregate, Aggregates, Applied, Event, ExecuteError, Loaded, Store};
use serde::{Deserialize, Serialize};

/// In cents, as all amounts are.
const EURO: i64 = 100;

/// What can happen to an account. The variants' names are the events' types.
#[derive(Debug, Serialize, Deserialize)]
enum AccountEvent {
    Deposited { cents: i64 },
    Withdrawn { cents: i64 },
    InterestPaid { cents: i64, percent: i64 },
}

/// What an account is, as far as decisions need it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    balance: i64,
    transactions: u32,
}

impl Aggregate for Account {
    type Event = AccountEvent;
    const NAME: &'static str = "account";

    fn apply(&mut self, event: AccountEvent, _: &Event) -> Applied {
        match event {
            AccountEvent::Deposited { cents } | AccountEvent::InterestPaid { cents, .. } => {
                self.balance += cents;
            }
            AccountEvent::Withdrawn { cents } => self.balance -= cents,
        }
        self.transactions += 1;
        Ok(())
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("an amount must be more than nothing")]
    NoAmount,
    #[error("there are only {balance} cents")]
    TooLittle { balance: i64 },
}

fn deposit(cents: i64) -> Result<Vec<AccountEvent>, Refusal> {
    if cents <= 0 {
        return Err(Refusal::NoAmount);
    }
    Ok(vec![AccountEvent::Deposited { cents }])
}

fn withdraw(account: &Loaded<Account>, cents: i64) -> Result<Vec<AccountEvent>, Refusal> {
    let balance = account.state.balance;
    if cents <= 0 {
        return Err(Refusal::NoAmount);
    }
    if cents > balance {
        return Err(Refusal::TooLittle { balance });
    }
    Ok(vec![AccountEvent::Withdrawn { cents }])
}

fn pay_interest(account: &Loaded<Account>, percent: i64) -> Result<Vec<AccountEvent>, Refusal> {
    let cents = account.state.balance * percent / 100;
    Ok(if cents > 0 { vec![AccountEvent::InterestPaid { cents, percent }] } else { Vec::new() })
}

fn run(store: Store) -> Result<Account, Box<dyn Error>> {
    let accounts = Aggregates::<Account>::new(store);
    let stream = "account-ada";

    accounts.execute(stream, |_| deposit(1_000 * EURO))?;
    accounts.execute(stream, |account| withdraw(account, 250 * EURO))?;
    accounts.execute(stream, |account| pay_interest(account, 2))?;

    // A decision can be refused; nothing is appended then.
    let refused = accounts.execute(stream, |account| withdraw(account, 800 * EURO));
    if let Err(ExecuteError::Refused(reason)) = refused {
        println!("No: {reason}");
    }

    let account = accounts.load(stream)?;
    println!("Version {}: {:?}", account.version, account.state);
    Ok(account.state)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(Store::in_memory()?)?;
    Ok(())
}

#[test]
fn the_balance_is_765_after_three_transactions() -> Result<(), Box<dyn Error>> {
    let account = run(Store::in_memory()?)?;
    assert_eq!(account, Account { balance: 765 * EURO, transactions: 3 });
    Ok(())
}
