# c3 on a CPU, for pictures, videos, sounds and sentences. Without a command, the image serves photos/captioner.
#   docker build --tag c3core .
#   docker run --rm --publish 127.0.0.1:8000:8000 --env C3_SERVE_TOKEN c3core
#   docker run --rm --volume "$PWD:/data" c3core run photos/captioner photo.jpg
FROM python:3.11-slim

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY c3core c3core
COPY plugins plugins
RUN pip install --no-cache-dir ".[gpt2,photos,audio,video,serve]"

RUN useradd --create-home c3
USER c3
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["c3"]
CMD ["serve", "photos/captioner", "--host", "0.0.0.0"]
