#!/usr/bin/env python3
"""Judges the proxy with ElevenLabs' library. See proxy_judge.py."""

import sys

from elevenlabs import ElevenLabs, Voice, VoiceSettings
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for

TEXT = "Good morning, how can I help?"
# What the sandbox makes of a character.
FRAME = 1024


def client(KEY=KEY):
    return ElevenLabs(api_key=KEY, base_url=PROXY)


def speak(voice, **more):
    named = {"text": TEXT, "model_id": "eleven_flash_v2_5", **more}
    return client().text_to_speech.stream(voice, **named)


def voices():
    """voices searched, by page token"""
    found, token = [], None
    while True:
        page = client().voices.search(page_size=2, next_page_token=token)
        check(all(isinstance(voice, Voice) for voice in page.voices), f"found {page.voices}")
        found += [voice.name for voice in page.voices]
        if not page.has_more:
            break
        token = page.next_page_token
    check(found == ["Rachel", "Sarah", "George"], f"the voices are {found}")


def speech():
    """speech, whole and streamed"""
    settings = VoiceSettings(stability=0.4, similarity_boost=0.8)
    streamed = speak(
        "JBFqnCBsd6RMkjVDRZzb", voice_settings=settings, output_format="mp3_44100_128"
    )
    chunks = list(streamed)
    audio = b"".join(chunks)
    check(len(audio) == FRAME * len(TEXT), f"{len(audio)} bytes of audio came")
    check(audio.startswith(b"\xff\xfb"), "it is no MPEG audio")
    check(all(isinstance(chunk, bytes) for chunk in chunks), "a chunk is not of bytes")
    whole = client().text_to_speech.convert("JBFqnCBsd6RMkjVDRZzb", text=TEXT)
    check(b"".join(whole) == audio, "the whole differs from the stream")


def errors():
    """`UnprocessableEntityError`, and errors as `ApiError` with status and body"""
    error = refused(ApiError, lambda: list(speak("nobody")))
    check(error.status_code == 404, f"refused as {error.status_code}")
    error = refused(UnprocessableEntityError, lambda: client().voices.search(page_size=1000))
    check("page_size" in str(error.body), f"refused for {error.body}")
    fault("voices", kind="unauthorized")
    error = refused(ApiError, lambda: client().voices.search())
    check(error.status_code == 401, f"refused as {error.status_code}")
    error = refused(ApiError, lambda: client("not-a-key").voices.search())
    check(error.status_code == 401, f"a wrong key got {error.status_code}")


def patience():
    """429 of a `GET` waited out"""
    limited("voices")
    page = waited_for("v2/voices", lambda: client().voices.search(), [429, 200])
    check(page.total_count == 3, f"there are {page.total_count}")


if __name__ == "__main__":
    sys.exit(judge("elevenlabs", client, [voices, speech, errors, patience]))
