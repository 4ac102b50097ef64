//! Whatever is answered, the file compiles, without a warning, and each of its events is rendered meanwhile.

use bellwire_contract::{CodeLanguage, Contract};

use super::*;

#[track_caller]
fn compiled(answers: &Answers) -> Contract {
    let text = write(answers);
    let contract = Contract::compile(&text, "new.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(contract.warnings("new.yaml"), [], "{text}");
    contract
}

#[test]
fn every_combination_compiles_without_a_warning() {
    let mut combinations = 0;
    for &body in Body::ALL {
        for &time in Time::ALL {
            for &signature in Scheme::ALL {
                for &register in Registers::ALL {
                    for &secret in SecretFrom::ALL {
                        let retry = ["day", "3-days", "none", "1m,5m"][combinations % 4].to_owned();
                        let mut answers = Answers { body, time, signature, register, secret, retry, ..Answers::default() };
                        if combinations % 3 == 0 {
                            answers.events.clear();
                        }
                        compiled(&answers);
                        combinations += 1;
                    }
                }
            }
        }
    }
    assert_eq!(combinations, 5 * 3 * 6 * 2 * 3);
}

#[test]
fn receivers_get_code_for_what_is_signed() {
    for &signature in Scheme::ALL.iter().filter(|signature| **signature != Scheme::None) {
        for &body in Body::ALL {
            for &time in Time::ALL {
                let contract = compiled(&Answers { body, time, signature, ..Answers::default() });
                for &language in CodeLanguage::ALL {
                    contract.verification_code(language).unwrap_or_else(|error| panic!("{signature} {body} {time}: {error}"));
                }
            }
        }
    }
}
